import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { base64Length, canonicalBase64 } from './base64.ts';

/**
 * n8n's newer ciphertext: base64(0x01 ‖ salt(32) ‖ tag(16) ‖ ciphertext), AES-256-GCM without AAD; key(32) ‖ iv(12)
 * are HKDF-SHA256 of the input key with the value's own salt.
 */

const version = 0x01;
export const gcmSaltBytes = 32;
const tagBytes = 16;
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

/** One input key, ready for many values. */
export class GcmCipher {
  readonly #key: KeyObject;

  constructor(inputKey: Buffer) {
    this.#key = createSecretKey(inputKey);
  }

  /** The plaintext, or undefined when it does not open. */
  open(sealed: Buffer): Buffer | undefined {
    const { key, iv } = this.#derive(sealed.subarray(1, tagAt));
    const decipher = createDecipheriv(cipherName, key, iv, cipherOptions);
    decipher.setAuthTag(sealed.subarray(tagAt, textAt));
    try {
      return Buffer.concat([decipher.update(sealed.subarray(textAt)), decipher.final()]);
    } catch {
      return undefined;
    }
  }

  seal(plain: Buffer, salt: Buffer): string {
    const { key, iv } = this.#derive(salt);
    const cipher = createCipheriv(cipherName, key, iv, cipherOptions);
    const text = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([Buffer.of(version), salt, cipher.getAuthTag(), text]).toString('base64');
  }

  #derive(salt: Buffer): { key: Buffer; iv: Buffer } {
    const derived = Buffer.from(hkdfSync('sha256', this.#key, salt, info, 44));
    return { key: derived.subarray(0, 32), iv: derived.subarray(32) };
  }
}
