import { createCipheriv, createDecipheriv } from 'node:crypto';
import { drawUntil, Random } from '../random.ts';

/** Encrypts and decrypts as Octopus does. Shares no code with src, so that each checks the other. */

/** Of every IV that a caller does not choose. */
const random = new Random('IVs of Octopus');

function cipherOf(key: Uint8Array): 'aes-128-cbc' | 'aes-256-cbc' {
  if (key.length !== 16 && key.length !== 32)
    throw new Error(`a master key has 16 or 32 bytes, not ${key.length}`);
  return key.length === 16 ? 'aes-128-cbc' : 'aes-256-cbc';
}

function encrypt(plain: Uint8Array, key: Uint8Array, iv: Uint8Array): Buffer {
  const cipher = createCipheriv(cipherOf(key), key, iv);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

/** Undefined where the padding does not fit; a wrong key fits for 1 value in 255. */
function decrypt(ciphertext: Uint8Array, key: Uint8Array, iv: Uint8Array): Buffer | undefined {
  if (iv.length !== 16 || ciphertext.length === 0 || ciphertext.length % 16 !== 0) return undefined;
  const decipher = createDecipheriv(cipherOf(key), key, iv);
  try {
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** `base64(ciphertext)|base64(IV)`. */
export function sealText(plain: Uint8Array, key: Uint8Array, iv: Uint8Array = random.bytes(16)): string {
  return `${encrypt(plain, key, iv).toString('base64')}|${Buffer.from(iv).toString('base64')}`;
}

/** 16 bytes of IV, then the ciphertext: the reverse order of the text form. */
export function sealStream(plain: Uint8Array, key: Uint8Array, iv: Uint8Array = random.bytes(16)): Buffer {
  return Buffer.concat([iv, encrypt(plain, key, iv)]);
}

/** A text form that the other keys do not open, not even by chance, as they do with 1 value in 255. */
export function sealTextOnlyFor(plain: Uint8Array, key: Uint8Array, others: readonly Uint8Array[]): string {
  return drawUntil(
    () => sealText(plain, key),
    (sealed) => others.every((other) => openText(sealed, other) === undefined),
  );
}

/** The same for a stream. */
export function sealStreamOnlyFor(plain: Uint8Array, key: Uint8Array, others: readonly Uint8Array[]): Buffer {
  return drawUntil(
    () => sealStream(plain, key),
    (sealed) => others.every((other) => openStream(sealed, other) === undefined),
  );
}

function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

/** The two halves of a text form; undefined where the text has not exactly its shape. */
export function halvesOf(text: string): { ciphertext: Buffer; iv: Buffer } | undefined {
  const [left, right, ...more] = text.split('|');
  if (left === undefined || right === undefined || more.length > 0) return undefined;
  const ciphertext = strictBase64(left);
  const iv = strictBase64(right);
  if (ciphertext === undefined || iv === undefined || iv.length !== 16) return undefined;
  return ciphertext.length > 0 && ciphertext.length % 16 === 0 ? { ciphertext, iv } : undefined;
}

export function openText(text: string, key: Uint8Array): Buffer | undefined {
  const halves = halvesOf(text);
  return halves && decrypt(halves.ciphertext, key, halves.iv);
}

export function openStream(bytes: Uint8Array, key: Uint8Array): Buffer | undefined {
  return decrypt(bytes.subarray(16), key, bytes.subarray(0, 16));
}
