/**
 * Decodes canonical base64: standard alphabet, padded, no other characters, unused bits zero.
 * Node decodes leniently, so the result is encoded again and compared.
 */
export function canonicalBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/', 'latin1');
const padding = '='.charCodeAt(0);
/** Negative: not in the alphabet. */
const sextets = new Int32Array(256).fill(-1);
alphabet.forEach((code, sextet) => {
  sextets[code] = sextet;
});

/**
 * Decodes canonical base64 within a buffer, and returns the number of bytes; -1: it is not canonical. `to` must have room for
 * three bytes per four characters.
 */
export function decodeBase64(
  from: Uint8Array,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
): number {
  if (length % 4 !== 0) return -1;
  if (length === 0) return 0;
  const last = start + length - 4;
  const sextet = (place: number): number => sextets[from[place] as number] as number;
  let out = at;
  let seen = 0;
  for (let place = start; place < last; place += 4) {
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
  const padded = from[last + 3] !== padding ? 0 : from[last + 2] !== padding ? 1 : 2;
  const group =
    (sextet(last) << 18) |
    (sextet(last + 1) << 12) |
    (padded < 2 ? sextet(last + 2) << 6 : 0) |
    (padded < 1 ? sextet(last + 3) : 0);
  // Unused bits must be zero
  if ((seen | group) < 0 || (group & ((1 << (8 * padded)) - 1)) !== 0) return -1;
  to[out++] = group >> 16;
  if (padded < 2) to[out++] = group >> 8;
  if (padded < 1) to[out++] = group;
  return out - at;
}

/** Encodes a part of a buffer, and returns the number of characters. */
export function encodeBase64(
  from: Uint8Array,
  start: number,
  length: number,
  to: Uint8Array,
  at: number,
): number {
  const whole = start + length - (length % 3);
  let out = at;
  for (let place = start; place < whole; place += 3) {
    const group =
      ((from[place] as number) << 16) | ((from[place + 1] as number) << 8) | (from[place + 2] as number);
    to[out++] = alphabet[group >> 18] as number;
    to[out++] = alphabet[(group >> 12) & 63] as number;
    to[out++] = alphabet[(group >> 6) & 63] as number;
    to[out++] = alphabet[group & 63] as number;
  }
  if (length % 3 !== 0) {
    const group = ((from[whole] as number) << 16) | (length % 3 === 2 ? (from[whole + 1] as number) << 8 : 0);
    to[out++] = alphabet[group >> 18] as number;
    to[out++] = alphabet[(group >> 12) & 63] as number;
    to[out++] = length % 3 === 2 ? (alphabet[(group >> 6) & 63] as number) : padding;
    to[out++] = padding;
  }
  return out - at;
}

/** Length in characters of that many bytes in base64. */
export function base64Length(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}
