import { isUtf8 } from 'node:buffer';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { base64Length, canonicalBase64 } from './base64.ts';
import { Md5Message } from './md5.ts';

/**
 * n8n's older ciphertext, as CryptoJS and `openssl enc -aes-256-cbc -md md5` write it:
 * base64("Salted__" ‖ salt(8) ‖ AES-256-CBC/PKCS7), not authenticated.
 */

export const cbcMagic = Buffer.from('Salted__', 'latin1');
export const cbcHeaderBytes = 16;
const blockBytes = 16;
const hashBytes = 16;
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
  if (bytes === undefined || bytes.length < cbcHeaderBytes + blockBytes || bytes.length % blockBytes !== 0) {
    return 'malformed';
  }
  return bytes.compare(cbcMagic, 0, cbcMagic.length, 0, cbcMagic.length) === 0 ? bytes : 'malformed';
}

export function cbcLength(plainBytes: number): number {
  const padded = (Math.floor(plainBytes / blockBytes) + 1) * blockBytes;
  return base64Length(cbcHeaderBytes + padded);
}

/** One password, ready for many values. */
export class CbcCipher {
  readonly #derivation: CbcDerivation;

  /** @param password n8n reads its key text as latin1: the low 8 bits of each UTF-16 code unit. */
  constructor(password: string) {
    this.#derivation = new CbcDerivation(password);
  }

  /**
   * The plaintext; undefined if the value does not open. n8n encrypts only UTF-8, so anything else comes from a wrong
   * key (`cbcOdds`).
   */
  open(sealed: Buffer): Buffer | undefined {
    const { key, iv } = this.#derivation.derive(sealed, cbcMagic.length);
    const decipher = createDecipheriv('aes-256-cbc', key, iv);
    try {
      const plain = Buffer.concat([decipher.update(sealed.subarray(cbcHeaderBytes)), decipher.final()]);
      return isUtf8(plain) ? plain : undefined;
    } catch {
      return undefined;
    }
  }

  seal(plain: Buffer, salt: Buffer): string {
    const { key, iv } = this.#derivation.derive(salt, 0);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    return Buffer.concat([cbcMagic, salt, cipher.update(plain), cipher.final()]).toString('base64');
  }
}

/** OpenSSL's EVP_BytesToKey with MD5 and one iteration. What is hashed is allocated once, and only its salt changes. */
export class CbcDerivation {
  /** password ‖ salt(8) */
  readonly #first: Md5Message;
  /** previous hash(16) ‖ password ‖ salt(8) */
  readonly #next: Md5Message;
  readonly #nextView: DataView;
  readonly #derived = Buffer.alloc(48);
  readonly #view = new DataView(this.#derived.buffer, this.#derived.byteOffset);
  readonly #keys = { key: this.#derived.subarray(0, 32), iv: this.#derived.subarray(32) };

  constructor(password: string) {
    const bytes = Buffer.from(password, 'latin1');
    this.#first = new Md5Message(bytes.length + cbcSaltBytes);
    this.#next = new Md5Message(hashBytes + bytes.length + cbcSaltBytes);
    this.#nextView = new DataView(this.#next.bytes.buffer);
    this.#first.bytes.set(bytes);
    this.#next.bytes.set(bytes, hashBytes);
  }

  /** 32 bytes of key and 16 of IV for the salt at `at`, valid until the next call. */
  derive(bytes: Uint8Array, at: number): { readonly key: Buffer; readonly iv: Buffer } {
    const first = this.#first.bytes;
    const next = this.#next.bytes;
    for (let k = 1; k <= cbcSaltBytes; k++) {
      const byte = bytes[at + cbcSaltBytes - k] as number;
      first[first.length - k] = byte;
      next[next.length - k] = byte;
    }
    this.#first.digest(this.#view, 0);
    for (let to = hashBytes; to < 3 * hashBytes; to += hashBytes) {
      for (let k = 0; k < hashBytes; k += 4)
        this.#nextView.setInt32(k, this.#view.getInt32(to - hashBytes + k));
      this.#next.digest(this.#view, to);
    }
    return this.#keys;
  }
}
