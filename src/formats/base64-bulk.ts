import { randomFillSync } from 'node:crypto';
import { startsOf, type Texts } from '../texts.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { bulkForeign, bulkSlow } from './format.ts';

/** Longer values, of which there are few, are opened one by one. In characters. */
const longestText = 16 * 1024;

/**
 * Opens a decoded value of `size` bytes (-1: it was not canonical base64), and writes the plaintext to `plain` at `at`, where
 * there is room for `size` bytes. Returns its length, or as `BulkCipher.open` says.
 */
export type ValueOpener = (value: Buffer, size: number, plain: Buffer, at: number) => number;

/** Opens values that are base64, each under a key of its own, without a Buffer or a string for each. */
export function openBase64Bulk({ bytes, starts, lengths }: Texts, open: ValueOpener): Texts {
  const opened = { starts: new Int32Array(lengths.length), lengths: new Int32Array(lengths.length) };
  let room = 0;
  for (const length of lengths) if (length > 0 && length <= longestText) room += length;
  const plain = Buffer.allocUnsafeSlow(room);
  const value = Buffer.allocUnsafeSlow(longestText);
  let end = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    opened.starts[i] = end;
    if (length <= 0) opened.lengths[i] = bulkForeign;
    else if (length > longestText) opened.lengths[i] = bulkSlow;
    else {
      const size = decodeBase64(bytes, starts[i] as number, length, value, 0);
      opened.lengths[i] = open(value, size, plain, end);
    }
    end += Math.max(0, opened.lengths[i] as number);
  }
  return { bytes: plain.subarray(0, end), ...opened };
}

/** A layout that begins with bytes that are always the same, and a random salt. */
export interface SaltedLayout {
  readonly beginning: Buffer;
  readonly saltBytes: number;
  /** Bytes of a value with that many bytes of plaintext. */
  size(plainBytes: number): number;
  /** Characters of its text. */
  textLength(plainBytes: number): number;
  /** Writes what follows the salt. */
  seal(plain: Buffer, at: number, length: number, value: Buffer): void;
}

/** Seals values as base64, each with a salt of its own. */
export function sealBase64Bulk({ bytes, starts, lengths }: Texts, layout: SaltedLayout): Texts {
  const { beginning, saltBytes } = layout;
  const texts = lengths.map((length) => layout.textLength(length));
  const to = { starts: startsOf(texts), lengths: texts };
  const all = Buffer.allocUnsafeSlow(texts.reduce((sum, length) => sum + length, 0));
  const salts = randomFillSync(Buffer.allocUnsafeSlow(lengths.length * saltBytes));
  const value = Buffer.allocUnsafeSlow(
    layout.size(lengths.reduce((most, length) => Math.max(most, length), 0)),
  );
  beginning.copy(value);
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    salts.copy(value, beginning.length, i * saltBytes, (i + 1) * saltBytes);
    layout.seal(bytes, starts[i] as number, length, value);
    encodeBase64(value, 0, layout.size(length), all, to.starts[i] as number);
  }
  return { bytes: all, ...to };
}
