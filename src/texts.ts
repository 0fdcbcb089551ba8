/**
 * Many texts in one buffer, in UTF-8 (of a binary column: its bytes). A string and a Buffer for every value of a chunk
 * cost more than the cryptography (bench/README.md), so ordinary values are rotated and verified in this form.
 */
export interface Texts {
  readonly bytes: Buffer;
  /** Offset of each text in `bytes`. */
  readonly starts: Int32Array;
  /** Length of each text in bytes. Negative: there is none, and the reason (NULL, or as `BulkCipher.open` says). */
  readonly lengths: Int32Array;
}

/** The length of a text that is NULL. */
export const nullLength = -1;

export function textsOf(all: readonly (string | null)[], encoding: 'utf8' | 'latin1' = 'utf8'): Texts {
  const lengths = Int32Array.from(all, (text) =>
    text === null ? nullLength : encoding === 'latin1' ? text.length : Buffer.byteLength(text),
  );
  return { bytes: Buffer.from(all.join(''), encoding), starts: startsOf(lengths), lengths };
}

/** Offsets of texts that follow each other without a gap. */
export function startsOf(lengths: Int32Array): Int32Array {
  const starts = new Int32Array(lengths.length);
  for (let i = 0, at = 0; i < lengths.length; i++) {
    starts[i] = at;
    at += Math.max(0, lengths[i] as number);
  }
  return starts;
}

/** One of the texts. The bytes are shared. */
export function bytesAt({ bytes, starts, lengths }: Texts, i: number): Buffer {
  const start = starts[i] as number;
  return bytes.subarray(start, start + (lengths[i] as number));
}

export function textAt(texts: Texts, i: number, encoding: 'utf8' | 'latin1' = 'utf8'): string | null {
  const { bytes, starts, lengths } = texts;
  const length = lengths[i] as number;
  const start = starts[i] as number;
  return length < 0 ? null : bytes.toString(encoding, start, start + length);
}

/** Those at the given places, in that order. The bytes are shared. */
export function textsAt({ bytes, starts, lengths }: Texts, places: Int32Array): Texts {
  return {
    bytes,
    starts: places.map((place) => starts[place] as number),
    lengths: places.map((place) => lengths[place] as number),
  };
}

/** A part of them. The bytes are shared. */
export function textsBetween({ bytes, starts, lengths }: Texts, from: number, to: number): Texts {
  return { bytes, starts: starts.subarray(from, to), lengths: lengths.subarray(from, to) };
}
