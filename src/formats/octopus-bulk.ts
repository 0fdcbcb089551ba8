import { randomFillSync } from 'node:crypto';
import type { Key } from '../keys/key.ts';
import { startsOf, type Texts } from '../texts.ts';
import { base64Length, decodeBase64, encodeBase64 } from './base64.ts';
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
import { type BulkCipher, bulkClosed, bulkForeign, bulkSlow } from './format.ts';

const bar = '|'.charCodeAt(0);
/** The bar and the IV, at the end of each value. */
const tail = 1 + base64Length(blockBytes);
/** The shortest value: one block. */
const shortest = base64Length(blockBytes) + tail;

/** The layout and the cipher of `octopus`, for all values of a chunk at once. */
export function octopusBulk(keyBytes: (key: Key) => Buffer): BulkCipher {
  return {
    open(sealed, ring) {
      return openAll(keyBytes(ring.primary), sealed);
    },
    seal(plain, ring) {
      return sealAll(keyBytes(ring.primary), plain);
    },
  };
}

function openAll(key: Buffer, { bytes, starts, lengths }: Texts): Texts {
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
    opened.lengths[i] = bulkForeign;
    if (length < shortest) continue;
    const start = starts[i] as number;
    if (length > longestText) {
      opened.lengths[i] = bulkSlow;
      continue;
    }
    const ivAt = start + length - tail;
    if (bytes[ivAt] !== bar || decodeBase64(bytes, ivAt + 1, tail - 1, before, end) !== blockBytes) continue;
    const size = decodeBase64(bytes, start, length - tail, sealed, end);
    if (size <= 0 || size % blockBytes !== 0) continue;
    for (let word = end >> 2, last = (end + size - blockBytes) >> 2; word < last; word++)
      beforeWords[word + blockWords] = sealedWords[word] as number;
    opened.lengths[i] = size;
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

const longestText = base64Length(longestLane) + tail;

/** Enough bytes for all values. Each is decoded in groups of three bytes, of which the last may be used in part. */
function roomFor(lengths: Int32Array): number {
  let room = 3 * blockBytes;
  for (const length of lengths) if (length >= shortest && length <= longestText) room += (length / 4) * 3;
  return Math.ceil(room / blockBytes) * blockBytes;
}

/** Lanes in order of falling length, so that at any position the remaining lanes are the first ones. */
function sealAll(key: Buffer, { bytes, starts, lengths }: Texts): Texts {
  const count = lengths.length;
  const order = byFallingBlocks(lengths);
  const laneStarts = new Int32Array(count + 1);
  for (let lane = 0; lane < count; lane++)
    laneStarts[lane + 1] = (laneStarts[lane] as number) + cbcBytes(lengths[order[lane] as number] as number);
  const text = Buffer.allocUnsafeSlow(laneStarts[count] as number);
  const ivs = randomFillSync(Buffer.allocUnsafeSlow(count * blockBytes));
  for (let lane = 0; lane < count; lane++) {
    const i = order[lane] as number;
    const from = starts[i] as number;
    const length = lengths[i] as number;
    const at = laneStarts[lane] as number;
    const end = laneStarts[lane + 1] as number;
    for (let k = 0; k < length; k++) text[at + k] = bytes[from + k] as number;
    text.fill(end - at - length, at + length, end);
  }
  sealPositions(key, wordsOf(text), laneStarts, Buffer.from(ivs));
  return written(text, laneStarts, order, ivs);
}

/** Texts in the order of the values. `ivs` are in the order of the lanes. */
function written(text: Buffer, laneStarts: Int32Array, order: Int32Array, ivs: Buffer): Texts {
  const lengths = new Int32Array(order.length);
  order.forEach((i, lane) => {
    lengths[i] = base64Length((laneStarts[lane + 1] as number) - (laneStarts[lane] as number)) + tail;
  });
  const starts = startsOf(lengths);
  const last = order.length - 1;
  const bytes = Buffer.allocUnsafeSlow(last < 0 ? 0 : (starts[last] as number) + (lengths[last] as number));
  for (let lane = 0; lane < order.length; lane++) {
    const from = laneStarts[lane] as number;
    let at = starts[order[lane] as number] as number;
    at += encodeBase64(text, from, (laneStarts[lane + 1] as number) - from, bytes, at);
    bytes[at] = bar;
    encodeBase64(ivs, lane * blockBytes, blockBytes, bytes, at + 1);
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
