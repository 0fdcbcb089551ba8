import { createCipheriv, createDecipheriv } from 'node:crypto';
import { base64Length, canonicalBase64 } from './base64.ts';
import { Hkdf } from './hkdf.ts';

/**
 * n8n's newer ciphertext: base64(0x01 ‖ salt(32) ‖ tag(16) ‖ ciphertext), AES-256-GCM without AAD; key(32) ‖ iv(12)
 * are HKDF-SHA256 of the input key with the value's own salt.
 */

const version = 0x01;
export const gcmSaltBytes = 32;
const tagBytes = 16;
const keyBytes = 32;
const ivBytes = 12;
const tagAt = 1 + gcmSaltBytes;
const textAt = tagAt + tagBytes;
const info = Buffer.from('n8n-encryption-v1', 'latin1');
const cipherName = 'aes-256-gcm';
const cipherOptions = { authTagLength: tagBytes };

/** The bytes of such a layout, by length and position; undefined when it is none. */
export function parseGcm(text: string): Buffer | undefined {
  const bytes = canonicalBase64(text);
  return bytes !== undefined && bytes.length >= textAt && bytes[0] === version ? bytes : undefined;
}

export function gcmLength(plainBytes: number): number {
  return base64Length(textAt + plainBytes);
}

/** One input key, ready for many values. A value costs few objects: what is derived and sealed has its place once. */
export class GcmCipher {
  readonly #hkdf: Hkdf;
  readonly #key: Buffer;
  readonly #iv: Buffer;
  #sealed = Buffer.alloc(1024, version);

  constructor(inputKey: Buffer) {
    this.#hkdf = new Hkdf(inputKey, info, keyBytes + ivBytes);
    this.#key = this.#hkdf.derived.subarray(0, keyBytes);
    this.#iv = this.#hkdf.derived.subarray(keyBytes);
  }

  /** The plaintext, or undefined when it does not open. */
  open(sealed: Buffer): Buffer | undefined {
    this.#hkdf.derive(sealed.subarray(1, tagAt));
    const decipher = createDecipheriv(cipherName, this.#key, this.#iv, cipherOptions);
    decipher.setAuthTag(sealed.subarray(tagAt, textAt));
    const plain = decipher.update(sealed.subarray(textAt));
    try {
      // GCM holds nothing back: this yields no bytes, it only compares the tag
      decipher.final();
      return plain;
    } catch {
      return undefined;
    }
  }

  seal(plain: Buffer, salt: Buffer): string {
    this.#hkdf.derive(salt);
    const cipher = createCipheriv(cipherName, this.#key, this.#iv, cipherOptions);
    const text = cipher.update(plain);
    cipher.final();
    const end = textAt + text.length;
    if (end > this.#sealed.length) this.#sealed = Buffer.alloc(2 * end, version);
    const sealed = this.#sealed;
    sealed.set(salt, 1);
    sealed.set(cipher.getAuthTag(), tagAt);
    sealed.set(text, textAt);
    return sealed.toString('base64', 0, end);
  }
}
