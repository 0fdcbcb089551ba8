import { createCipheriv, createDecipheriv } from 'node:crypto';
import { base64Length, canonicalBase64 } from './base64.ts';
import { Hkdf } from './hkdf.ts';

/**
 * n8n's newer ciphertext: base64(0x01 ‖ salt(32) ‖ tag(16) ‖ ciphertext), AES-256-GCM without AAD; key(32) ‖ iv(12)
 * are HKDF-SHA256 of the input key with the salt of the value.
 */

const version = 0x01;
export const gcmSaltBytes = 32;
const tagBytes = 16;
const keyBytes = 32;
const ivBytes = 12;
const tagAt = 1 + gcmSaltBytes;
const textAt = tagAt + tagBytes;
const info = Buffer.from('n8n-encryption-v1', 'latin1');
/** Offsets and lengths in bytes. */
export const gcmLayout = { version, tagAt, textAt, keyBytes } as const;
const cipherName = 'aes-256-gcm';
const cipherOptions = { authTagLength: tagBytes };

/** The bytes of a value; undefined if the text does not have this layout. */
export function parseGcm(text: string): Buffer | undefined {
  const bytes = canonicalBase64(text);
  return bytes !== undefined && bytes.length >= textAt && bytes[0] === version ? bytes : undefined;
}

export function gcmLength(plainBytes: number): number {
  return base64Length(textAt + plainBytes);
}

/** Derives the key and the nonce of a value from its salt. */
export function gcmHkdf(inputKey: Buffer): Hkdf {
  return new Hkdf(inputKey, info, keyBytes + ivBytes);
}

/** One input key, ready for many values: the buffers for derived keys and sealed values are allocated once. */
export class GcmCipher {
  readonly #hkdf: Hkdf;
  readonly #key: Buffer;
  readonly #iv: Buffer;
  #sealed = Buffer.alloc(1024, version);

  constructor(inputKey: Buffer) {
    this.#hkdf = gcmHkdf(inputKey);
    this.#key = this.#hkdf.derived.subarray(0, keyBytes);
    this.#iv = this.#hkdf.derived.subarray(keyBytes);
  }

  /** The plaintext; undefined if the value does not open. */
  open(sealed: Buffer): Buffer | undefined {
    this.#hkdf.derive(sealed.subarray(1, tagAt));
    const decipher = createDecipheriv(cipherName, this.#key, this.#iv, cipherOptions);
    decipher.setAuthTag(sealed.subarray(tagAt, textAt));
    const plain = decipher.update(sealed.subarray(textAt));
    try {
      // With GCM this yields no bytes; it only compares the tag
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
