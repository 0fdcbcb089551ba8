const block = 16;

/**
 * How a plaintext is filled up to whole blocks:
 * - `pkcs7` (RFC 5652, section 6.3);
 * - `iso7816`: a byte 80, then zeros (ISO/IEC 7816-4); in Ruby's Lockbox with every cipher;
 * - `x923`: zeros, then the number of bytes (ANSI X9.23);
 * - `star`: asterisks, as sqlalchemy-utils has it ("naive");
 * - `none`.
 */
export type Padding = 'pkcs7' | 'iso7816' | 'x923' | 'star' | 'none';

/** Chance that random bytes end with valid padding. */
export const paddingOdds: Readonly<Record<Padding, number>> = {
  // One byte 01, two bytes 02, …: 1/256 + 1/256² + …
  pkcs7: 1 / 255,
  iso7816: 1 / 255,
  x923: 1 / 255,
  star: 1 / 256,
  none: 1,
};

export function padded(plain: Buffer, padding: Padding): Buffer {
  if (padding === 'none') return plain;
  const count = block - (plain.length % block);
  const fill = Buffer.alloc(count, padding === 'pkcs7' ? count : padding === 'star' ? '*' : 0);
  if (padding === 'iso7816') fill[0] = 0x80;
  if (padding === 'x923') fill[count - 1] = count;
  return Buffer.concat([plain, fill]);
}

/** Undefined: the padding is invalid. Padding the result again yields the same bytes. */
export function unpadded(bytes: Buffer, padding: Padding): Buffer | undefined {
  if (padding === 'none') return bytes;
  const count = countOf(bytes, padding);
  if (count < 1 || count > block || count > bytes.length) return undefined;
  const plain = bytes.subarray(0, bytes.length - count);
  return padded(plain, padding).equals(bytes) ? plain : undefined;
}

function countOf(bytes: Buffer, padding: Padding): number {
  const last = bytes.length - 1;
  if (padding === 'pkcs7' || padding === 'x923') return bytes[last] ?? 0;
  let count = 0;
  const [filler, end] = padding === 'star' ? [0x2a, undefined] : [0, 0x80];
  while (count < block && bytes[last - count] === filler) count++;
  // Asterisks of the plaintext cannot be told from those of the padding: the application strips both
  return end === undefined ? count : bytes[last - count] === end ? count + 1 : 0;
}
