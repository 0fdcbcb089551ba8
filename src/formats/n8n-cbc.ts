import { isUtf8 } from 'node:buffer';
import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import { base64Length, canonicalBase64 } from './base64.ts';

/**
 * n8n's older ciphertext, as CryptoJS and `openssl enc -aes-256-cbc -md md5` write it:
 * base64("Salted__" ‖ salt(8) ‖ AES-256-CBC/PKCS7), not authenticated.
 */

const magic = Buffer.from('Salted__', 'latin1');
const headerBytes = 16;
const blockBytes = 16;
export const cbcSaltBytes = 8;

/** What every value begins with. The eleventh character already contains bits of the salt. */
export const cbcPrefix = 'U2FsdGVkX1';

/**
 * Chance that a wrong key yields valid padding with valid UTF-8 before it, for ciphertext of one block, which is the
 * worst case: Σ 256⁻ᵏ u(16 − k) over the k = 1 … 16 bytes of padding, where u(n) is the share of the strings of n
 * random bytes that are UTF-8. Code points of 1, 2, 3 and 4 bytes number 128, 1,920, 61,440 and 1,048,576, so
 * that, with u(0) = 1,
 * u(n) = 128/256 u(n−1) + 1920/256² u(n−2) + 61440/256³ u(n−3) + 1048576/256⁴ u(n−4).
 * Two blocks make it 7.0e-11, three 7.5e-15; CBC padding alone would be 1/255.
 */
export const cbcOdds = 6.54e-7;

/** `'malformed'`: the text has the prefix, but not the layout. `'foreign'`: it does not have the prefix. */
export function parseCbc(text: string): Buffer | 'malformed' | 'foreign' {
  if (!text.startsWith(cbcPrefix)) return 'foreign';
  const bytes = canonicalBase64(text);
  if (bytes === undefined || bytes.length < headerBytes + blockBytes || bytes.length % blockBytes !== 0) {
    return 'malformed';
  }
  return bytes.compare(magic, 0, magic.length, 0, magic.length) === 0 ? bytes : 'malformed';
}

export function cbcLength(plainBytes: number): number {
  const padded = (Math.floor(plainBytes / blockBytes) + 1) * blockBytes;
  return base64Length(headerBytes + padded);
}

/** One password, ready for many values: the hashed buffer is allocated once, and only its salt changes. */
export class CbcCipher {
  /** previous hash(16) ‖ password ‖ salt(8) */
  readonly #hashed: Buffer;
  /** The same, without the previous hash. */
  readonly #first: Buffer;
  readonly #derived = Buffer.alloc(48);
  readonly #keys = { key: this.#derived.subarray(0, 32), iv: this.#derived.subarray(32) };

  /** @param password n8n reads its key text as latin1: the low 8 bits of each UTF-16 code unit. */
  constructor(password: string) {
    const bytes = Buffer.from(password, 'latin1');
    this.#hashed = Buffer.alloc(16 + bytes.length + cbcSaltBytes);
    bytes.copy(this.#hashed, 16);
    this.#first = this.#hashed.subarray(16);
  }

  /**
   * The plaintext; undefined if the value does not open. n8n encrypts only UTF-8, so anything else comes from a wrong
   * key (`cbcOdds`).
   */
  open(sealed: Buffer): Buffer | undefined {
    const { key, iv } = this.#derive(sealed.subarray(magic.length, headerBytes));
    const decipher = createDecipheriv('aes-256-cbc', key, iv);
    try {
      const plain = Buffer.concat([decipher.update(sealed.subarray(headerBytes)), decipher.final()]);
      return isUtf8(plain) ? plain : undefined;
    } catch {
      return undefined;
    }
  }

  seal(plain: Buffer, salt: Buffer): string {
    const { key, iv } = this.#derive(salt);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    return Buffer.concat([magic, salt, cipher.update(plain), cipher.final()]).toString('base64');
  }

  /**
   * OpenSSL's EVP_BytesToKey with MD5 and one iteration: 32 bytes of key and 16 of IV, valid until the next call.
   * Digests are binary strings, since a Buffer for each costs more than the hash.
   */
  #derive(salt: Buffer): { key: Buffer; iv: Buffer } {
    salt.copy(this.#first, this.#first.length - cbcSaltBytes);
    for (let at = 0; at < 48; at += 16) {
      const digest = hash('md5', at === 0 ? this.#first : this.#hashed, 'binary');
      this.#hashed.write(digest, 0, 'binary');
      this.#derived.write(digest, at, 'binary');
    }
    return this.#keys;
  }
}
