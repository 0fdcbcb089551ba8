/**
 * Decodes canonical base64: standard alphabet, padded, no other characters, unused bits zero.
 * Node decodes leniently, so the result is encoded again and compared.
 */
export function canonicalBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** An alphabet of base64, for parts of buffers. */
export interface Base64Alphabet {
  readonly characters: Uint8Array;
  /** By character. Negative: not in the alphabet. */
  readonly sextets: Int32Array;
}

function alphabetOf(last: string): Base64Alphabet {
  const characters = Uint8Array.from(
    Buffer.from(`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789${last}`),
  );
  const sextets = new Int32Array(256).fill(-1);
  characters.forEach((code, sextet) => {
    sextets[code] = sextet;
  });
  return { characters, sextets };
}

export const base64Standard = alphabetOf('+/');
export const base64Url = alphabetOf('-_');

const padding = '='.charCodeAt(0);

/**
 * Decodes a part of a buffer, which must be canonical and padded, and returns the number of bytes; -1: it is not. `to` must
 * have room for three bytes per four characters.
 */
export function decodeBase64(
  from: Uint8Array,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
  alphabet = base64Standard,
): number {
  if (length % 4 !== 0) return -1;
  const padded =
    length === 0 || from[start + length - 1] !== padding ? 0 : from[start + length - 2] !== padding ? 1 : 2;
  return decodeUnpaddedBase64(from, start, length - padded, to, at, alphabet);
}

/** As `decodeBase64`, for a text without padding. */
export function decodeUnpaddedBase64(
  from: Uint8Array,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
  { sextets }: Base64Alphabet = base64Standard,
): number {
  const rest = length % 4;
  if (rest === 1) return -1;
  const whole = start + length - rest;
  let out = at;
  let seen = 0;
  for (let place = start; place < whole; place += 4) {
    const group =
      ((sextets[from[place] as number] as number) << 18) |
      ((sextets[from[place + 1] as number] as number) << 12) |
      ((sextets[from[place + 2] as number] as number) << 6) |
      (sextets[from[place + 3] as number] as number);
    seen |= group;
    to[out++] = group >> 16;
    to[out++] = group >> 8;
    to[out++] = group;
  }
  if (rest > 0) {
    const group =
      ((sextets[from[whole] as number] as number) << 18) |
      ((sextets[from[whole + 1] as number] as number) << 12) |
      (rest === 3 ? (sextets[from[whole + 2] as number] as number) << 6 : 0);
    // Unused bits must be zero
    if ((group & (rest === 3 ? 0xff : 0xffff)) !== 0) return -1;
    seen |= group;
    to[out++] = group >> 16;
    if (rest === 3) to[out++] = group >> 8;
  }
  return seen < 0 ? -1 : out - at;
}

/** Encodes a part of a buffer, and returns the number of characters. */
export function encodeBase64(
  from: Uint8Array,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
  alphabet = base64Standard,
): number {
  const end = at + encodeUnpaddedBase64(from, start, length, to, at, alphabet);
  const padded = base64Length(length) + at;
  for (let place = end; place < padded; place++) to[place] = padding;
  return padded - at;
}

/** As `encodeBase64`, without padding. */
export function encodeUnpaddedBase64(
  from: Uint8Array,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
  { characters }: Base64Alphabet = base64Standard,
): number {
  const rest = length % 3;
  const whole = start + length - rest;
  let out = at;
  for (let place = start; place < whole; place += 3) {
    const group =
      ((from[place] as number) << 16) | ((from[place + 1] as number) << 8) | (from[place + 2] as number);
    to[out++] = characters[group >> 18] as number;
    to[out++] = characters[(group >> 12) & 63] as number;
    to[out++] = characters[(group >> 6) & 63] as number;
    to[out++] = characters[group & 63] as number;
  }
  if (rest > 0) {
    const group = ((from[whole] as number) << 16) | (rest === 2 ? (from[whole + 1] as number) << 8 : 0);
    to[out++] = characters[group >> 18] as number;
    to[out++] = characters[(group >> 12) & 63] as number;
    if (rest === 2) to[out++] = characters[(group >> 6) & 63] as number;
  }
  return out - at;
}

/** Length in characters of that many bytes in base64. */
export function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}
