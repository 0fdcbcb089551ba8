import { randomFillSync } from 'node:crypto';
import { startsOf, type Texts } from '../texts.ts';
import { base64Length } from './base64.ts';
import {
  blockBytes,
  blockWords,
  cbcBytes,
  longestLane,
  openBlocks,
  paddingOf,
  sealPositions,
  wordsOf,
} from './cbc-lanes.ts';
import { bulkClosed, bulkForeign, bulkSlow } from './format.ts';

/**
 * Writes the IV of a value to `before` and its ciphertext to `sealed`, both at `at`. Returns the number of bytes of the
 * ciphertext, or `bulkClosed` or `bulkForeign`.
 */
export type CbcReader = (value: Texts, i: number, sealed: Buffer, before: Buffer, at: number) => number;

/** Text of a value from its IV and its ciphertext. */
export interface CbcWriter {
  /** Length of the text with that many bytes of ciphertext. */
  length(i: number, sealedBytes: number): number;
  write(i: number, from: CbcParts, to: Buffer, at: number): void;
}

export interface CbcParts {
  readonly sealed: Buffer;
  readonly sealedAt: number;
  readonly sealedBytes: number;
  readonly ivs: Buffer;
  readonly ivAt: number;
}

/** Longer values are slow in lanes (cbc-lanes.ts). In base64 and with what a format may add. */
const longestText = base64Length(longestLane) + 128;

/** Opens the values of a chunk, in CBC with PKCS#7 padding and base64, in one buffer. */
export function openCbcBulk(key: Buffer, texts: Texts, read: CbcReader): Texts {
  const { lengths } = texts;
  const room = roomFor(lengths);
  const sealed = Buffer.allocUnsafeSlow(room);
  const before = Buffer.allocUnsafeSlow(room);
  const sealedWords = wordsOf(sealed);
  const beforeWords = wordsOf(before);
  const opened = { starts: new Int32Array(lengths.length), lengths: new Int32Array(lengths.length) };
  let end = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    opened.starts[i] = end;
    const size =
      length <= 0 ? bulkForeign : length > longestText ? bulkSlow : read(texts, i, sealed, before, end);
    opened.lengths[i] = size;
    if (size < 0) continue;
    for (let word = end >> 2, last = (end + size - blockBytes) >> 2; word < last; word++)
      beforeWords[word + blockWords] = sealedWords[word] as number;
    end += size;
  }
  const plain = openBlocks(key, sealed.subarray(0, end), before.subarray(0, end));
  for (let i = 0; i < lengths.length; i++) {
    const size = opened.lengths[i] as number;
    if (size < 0) continue;
    const pad = paddingOf(plain, (opened.starts[i] as number) + size);
    opened.lengths[i] = pad === 0 ? bulkClosed : size - pad;
  }
  return { bytes: plain, ...opened };
}

/** Enough bytes for all values, however much of each is ciphertext. */
function roomFor(lengths: Int32Array): number {
  let room = 4 * blockBytes;
  for (const length of lengths) if (length > 0 && length <= longestText) room += Math.ceil(length / 4) * 3;
  return Math.ceil(room / blockBytes) * blockBytes;
}

/**
 * Seals the plaintexts of a chunk, each with a random IV. Lanes in order of falling length, so that at any position the
 * remaining lanes are the first ones.
 */
export function sealCbcBulk(key: Buffer, { bytes, starts, lengths }: Texts, writer: CbcWriter): Texts {
  const count = lengths.length;
  const order = byFallingBlocks(lengths);
  const laneStarts = new Int32Array(count + 1);
  for (let lane = 0; lane < count; lane++)
    laneStarts[lane + 1] = (laneStarts[lane] as number) + cbcBytes(lengths[order[lane] as number] as number);
  const sealed = Buffer.allocUnsafeSlow(laneStarts[count] as number);
  const ivs = randomFillSync(Buffer.allocUnsafeSlow(count * blockBytes));
  for (let lane = 0; lane < count; lane++) {
    const i = order[lane] as number;
    const from = starts[i] as number;
    const length = lengths[i] as number;
    const at = laneStarts[lane] as number;
    const end = laneStarts[lane + 1] as number;
    for (let k = 0; k < length; k++) sealed[at + k] = bytes[from + k] as number;
    const pad = end - at - length;
    for (let k = at + length; k < end; k++) sealed[k] = pad;
  }
  sealPositions(key, wordsOf(sealed), laneStarts, Buffer.from(ivs));
  return written(sealed, laneStarts, order, ivs, writer);
}

/** Texts in the order of the values. `ivs` are in the order of the lanes. */
function written(
  sealed: Buffer,
  laneStarts: Int32Array,
  order: Int32Array,
  ivs: Buffer,
  writer: CbcWriter,
): Texts {
  const lengths = new Int32Array(order.length);
  order.forEach((i, lane) => {
    lengths[i] = writer.length(i, (laneStarts[lane + 1] as number) - (laneStarts[lane] as number));
  });
  const starts = startsOf(lengths);
  const last = order.length - 1;
  const bytes = Buffer.allocUnsafeSlow(last < 0 ? 0 : (starts[last] as number) + (lengths[last] as number));
  const parts = { sealed, sealedAt: 0, sealedBytes: 0, ivs, ivAt: 0 };
  for (let lane = 0; lane < order.length; lane++) {
    const i = order[lane] as number;
    parts.sealedAt = laneStarts[lane] as number;
    parts.sealedBytes = (laneStarts[lane + 1] as number) - parts.sealedAt;
    parts.ivAt = lane * blockBytes;
    writer.write(i, parts, bytes, starts[i] as number);
  }
  return { bytes, starts, lengths };
}

/** Places of the values, those with the most blocks first (counting sort). */
function byFallingBlocks(lengths: Int32Array): Int32Array {
  const blocksOf = (length: number): number => cbcBytes(length) / blockBytes;
  let most = 0;
  for (const length of lengths) most = Math.max(most, blocksOf(length));
  const next = new Int32Array(most + 2);
  for (const length of lengths)
    next[most - blocksOf(length) + 1] = (next[most - blocksOf(length) + 1] as number) + 1;
  for (let i = 1; i < next.length; i++) next[i] = (next[i] as number) + (next[i - 1] as number);
  const order = new Int32Array(lengths.length);
  lengths.forEach((length, i) => {
    const bucket = most - blocksOf(length);
    order[next[bucket] as number] = i;
    next[bucket] = (next[bucket] as number) + 1;
  });
  return order;
}
