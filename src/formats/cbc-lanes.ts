import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';

/**
 * AES-CBC with PKCS#7 padding (NIST SP 800-38A, section 6.2; RFC 5652, section 6.3) for many short values under one
 * key. Creating a cipher object costs more than encrypting the blocks of a short value, and CBC is ECB plus a XOR with
 * the previous ciphertext block. So a whole batch shares one ECB cipher:
 * - opening: one call for all blocks, then the XOR;
 * - sealing: each block depends on the previous one, but values do not depend on each other: one call per block position
 *   for all values that are long enough (the lanes).
 * No ECB ciphertext leaves this file. Not authenticated: see `paddingOdds`.
 */

/** `iv`: 16 bytes; `sealed`: ciphertext, a positive multiple of 16 bytes. */
export interface CbcValue {
  readonly iv: Buffer;
  readonly sealed: Buffer;
}

export const blockBytes = 16;
/**
 * Chance that a wrong key, whose last block is random bytes, yields valid padding: one byte 01, two bytes 02, up to 16
 * bytes 10, which is 1/256 + 1/256² + … + 1/256¹⁶, or 1/255 to 38 digits.
 */
export const paddingOdds = 1 / 255;
/** 32-bit words of a block. XOR and copy do not depend on the machine's byte order. */
export const blockWords = 4;

/** Ciphertext in bytes. For longer values a cipher of their own costs less: few share their later block positions, at one call each. */
export const longestLane = 1024;
/** Ciphertext per batch. Limits memory, which is about five times this. */
const batchBytes = 1024 * 1024;

/** Length in bytes of the ciphertext of that many bytes of plaintext. */
export function cbcBytes(plainBytes: number): number {
  return (Math.floor(plainBytes / blockBytes) + 1) * blockBytes;
}

/**
 * The plaintexts, in order; undefined for values with invalid padding.
 * @param key 16, 24 or 32 bytes.
 */
export function openCbc(key: Buffer, values: readonly CbcValue[]): (Buffer | undefined)[] {
  const opened: (Buffer | undefined)[] = new Array(values.length).fill(undefined);
  for (const batch of batches(values.map(({ sealed }) => sealed.length))) {
    if (batch.length === 1) {
      const only = batch[0] as number;
      opened[only] = openAlone(key, values[only] as CbcValue);
    } else openLanes(key, values, batch, opened);
  }
  return opened;
}

/**
 * The ciphertexts, in order, each with its own random IV.
 * @param key 16, 24 or 32 bytes.
 */
export function sealCbc(key: Buffer, plain: readonly Buffer[]): CbcValue[] {
  const ivs = randomFillSync(Buffer.allocUnsafeSlow(plain.length * blockBytes));
  const ivOf = (i: number): Buffer => ivs.subarray(i * blockBytes, (i + 1) * blockBytes);
  const sealed: CbcValue[] = new Array(plain.length);
  for (const batch of batches(plain.map(({ length }) => cbcBytes(length)))) {
    if (batch.length === 1) {
      const only = batch[0] as number;
      sealed[only] = { iv: ivOf(only), sealed: sealAlone(key, ivOf(only), plain[only] as Buffer) };
    } else sealLanes(key, ivOf, plain, batch, sealed);
  }
  return sealed;
}

/** Groups indexes of values into batches by the lengths of their ciphertexts. Each long value is a batch of its own. */
function batches(lengths: readonly number[]): number[][] {
  const all: number[][] = [];
  let batch: number[] = [];
  let bytes = 0;
  lengths.forEach((length, i) => {
    if (length > longestLane) {
      all.push([i]);
      return;
    }
    if (bytes + length > batchBytes) {
      all.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(i);
    bytes += length;
  });
  if (batch.length > 0) all.push(batch);
  return all;
}

function openAlone(key: Buffer, { iv, sealed }: CbcValue): Buffer | undefined {
  const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv);
  try {
    return Buffer.concat([decipher.update(sealed), decipher.final()]);
  } catch {
    return undefined;
  }
}

function sealAlone(key: Buffer, iv: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

function openLanes(
  key: Buffer,
  values: readonly CbcValue[],
  batch: readonly number[],
  opened: (Buffer | undefined)[],
): void {
  const total = batch.reduce((sum, i) => sum + (values[i] as CbcValue).sealed.length, 0);
  const sealed = Buffer.allocUnsafeSlow(total);
  // What each block is XORed with: the IV, then the ciphertext without its last block.
  const before = Buffer.allocUnsafeSlow(total);
  let at = 0;
  for (const i of batch) {
    const value = values[i] as CbcValue;
    value.sealed.copy(sealed, at);
    value.iv.copy(before, at);
    value.sealed.copy(before, at + blockBytes, 0, value.sealed.length - blockBytes);
    at += value.sealed.length;
  }
  const plain = openBlocks(key, sealed, before);
  at = 0;
  for (const i of batch) {
    const end = at + (values[i] as CbcValue).sealed.length;
    const pad = paddingOf(plain, end);
    if (pad !== 0) opened[i] = plain.subarray(at, end - pad);
    at = end;
  }
}

/**
 * Decrypts the blocks of many values. Keeps their padding.
 * @param before what each block is XORed with: the IV, then the ciphertext without its last block
 */
export function openBlocks(key: Buffer, sealed: Buffer, before: Buffer): Buffer {
  const plain = aligned(
    createDecipheriv(`aes-${key.length * 8}-ecb`, key, null)
      .setAutoPadding(false)
      .update(sealed),
  );
  const to = wordsOf(plain);
  const from = wordsOf(before);
  for (let i = 0; i < to.length; i++) to[i] = (to[i] as number) ^ (from[i] as number);
  return plain;
}

/** Bytes of PKCS#7 padding before `end`; 0: invalid. */
export function paddingOf(bytes: Buffer, end: number): number {
  const pad = bytes[end - 1] as number;
  if (pad === 0 || pad > blockBytes) return 0;
  for (let at = end - pad; at < end - 1; at++) if (bytes[at] !== pad) return 0;
  return pad;
}

function sealLanes(
  key: Buffer,
  ivOf: (i: number) => Buffer,
  plain: readonly Buffer[],
  batch: readonly number[],
  sealed: CbcValue[],
): void {
  const bytesOf = (i: number): number => cbcBytes((plain[i] as Buffer).length);
  // Longest first, so that at any position the remaining lanes are the first ones.
  const lanes = [...batch].sort((a, b) => bytesOf(b) - bytesOf(a));
  const starts = new Int32Array(lanes.length + 1);
  lanes.forEach((i, lane) => {
    starts[lane + 1] = (starts[lane] as number) + bytesOf(i);
  });
  const text = Buffer.allocUnsafeSlow(starts[lanes.length] as number);
  const chain = Buffer.allocUnsafeSlow(lanes.length * blockBytes);
  lanes.forEach((i, lane) => {
    const bytes = plain[i] as Buffer;
    const start = starts[lane] as number;
    const end = starts[lane + 1] as number;
    bytes.copy(text, start);
    for (let at = start + bytes.length; at < end; at++) text[at] = end - start - bytes.length;
    ivOf(i).copy(chain, lane * blockBytes);
  });
  sealPositions(key, wordsOf(text), starts, chain);
  lanes.forEach((i, lane) => {
    sealed[i] = { iv: ivOf(i), sealed: text.subarray(starts[lane], starts[lane + 1]) };
  });
}

/**
 * Encrypts `text` in place, where lane i is the bytes from `starts[i]` to `starts[i + 1]`, none longer than the one
 * before it. `chain` holds the block before, lane by lane: at first the IVs.
 */
export function sealPositions(key: Buffer, text: Int32Array, starts: Int32Array, chain: Buffer): void {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
  const lengthOf = (lane: number): number => (starts[lane + 1] as number) - (starts[lane] as number);
  let active = starts.length - 1;
  let block = chain;
  for (let position = 0; ; position++) {
    while (active > 0 && lengthOf(active - 1) <= position * blockBytes) active--;
    if (active === 0) return;
    const words = wordsOf(block);
    for (let lane = 0, at = 0; lane < active; lane++) {
      let from = ((starts[lane] as number) >> 2) + position * blockWords;
      for (const end = at + blockWords; at < end; at++, from++) {
        words[at] = (words[at] as number) ^ (text[from] as number);
      }
    }
    block = aligned(cipher.update(block.subarray(0, active * blockBytes)));
    const done = wordsOf(block);
    for (let lane = 0, at = 0; lane < active; lane++) {
      let to = ((starts[lane] as number) >> 2) + position * blockWords;
      for (const end = at + blockWords; at < end; at++, to++) text[to] = done[at] as number;
    }
  }
}

export function wordsOf(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** A cipher may place its result at any offset; words need a multiple of four. */
function aligned(bytes: Buffer): Buffer {
  if (bytes.byteOffset % 4 === 0) return bytes;
  const moved = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(moved);
  return moved;
}
