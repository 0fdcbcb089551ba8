import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Texts } from '../texts.ts';
import { openBase64Bulk, sealBase64Bulk } from './base64-bulk.ts';
import { bulkClosed, bulkSlow } from './format.ts';
import { Gcm256, gcmTagBytes } from './gcm256.ts';
import type { Hkdf } from './hkdf.ts';
import { gcmHkdf, gcmLayout, gcmLength, gcmSaltBytes } from './n8n-gcm.ts';

const { version, tagAt, textAt, keyBytes } = gcmLayout;
/** For longer texts, a cipher object of node:crypto costs less than gcm256.ts (bench/README.md). In bytes. */
const mostBytes = 96;

/** n8n's newer form without a prefix, for all values of a chunk at once. Other forms are `bulkSlow`. */
export function openGcmBulk(inputKey: Buffer, sealed: Texts): Texts {
  const cipher = new GcmValues(inputKey);
  return openBase64Bulk(sealed, (value, size, plain, at) => {
    if (size < textAt || value[0] !== version) return bulkSlow;
    return cipher.open(value, size, plain, at) ? size - textAt : bulkClosed;
  });
}

/** Each value with a random salt. */
export function sealGcmBulk(inputKey: Buffer, plain: Texts): Texts {
  const cipher = new GcmValues(inputKey);
  return sealBase64Bulk(plain, {
    beginning: Buffer.of(version),
    saltBytes: gcmSaltBytes,
    size: (plainBytes) => textAt + plainBytes,
    textLength: gcmLength,
    seal(bytes, at, length, value) {
      cipher.seal(bytes, at, length, value);
    },
  });
}

/** AES-256-GCM of values, each under the key and the nonce that follow from its salt. */
class GcmValues {
  readonly #hkdf: Hkdf;
  readonly #key: Buffer;
  readonly #nonce: Buffer;
  readonly #gcm = new Gcm256();
  readonly #tag = Buffer.alloc(gcmTagBytes);

  constructor(inputKey: Buffer) {
    this.#hkdf = gcmHkdf(inputKey);
    this.#key = this.#hkdf.derived.subarray(0, keyBytes);
    this.#nonce = this.#hkdf.derived.subarray(keyBytes);
  }

  open(value: Buffer, size: number, plain: Buffer, at: number): boolean {
    this.#hkdf.derive(value.subarray(1, tagAt));
    const length = size - textAt;
    if (length > mostBytes) {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce, {
        authTagLength: gcmTagBytes,
      });
      decipher.setAuthTag(value.subarray(tagAt, textAt));
      decipher.update(value.subarray(textAt, size)).copy(plain, at);
      return isFinal(() => decipher.final());
    }
    this.#gcm.setKey(this.#key, this.#nonce);
    this.#gcm.tag(value, textAt, length, this.#tag, 0);
    let differs = 0;
    for (let k = 0; k < gcmTagBytes; k++) differs |= (this.#tag[k] as number) ^ (value[tagAt + k] as number);
    if (differs !== 0) return false;
    this.#gcm.apply(value, textAt, length, plain, at);
    return true;
  }

  /** Writes the tag and the ciphertext of a plaintext. The salt is there already. */
  seal(plain: Buffer, at: number, length: number, value: Buffer): void {
    this.#hkdf.derive(value.subarray(1, tagAt));
    if (length > mostBytes) {
      const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce, { authTagLength: gcmTagBytes });
      cipher.update(plain.subarray(at, at + length)).copy(value, textAt);
      cipher.final();
      cipher.getAuthTag().copy(value, tagAt);
      return;
    }
    this.#gcm.setKey(this.#key, this.#nonce);
    this.#gcm.apply(plain, at, length, value, textAt);
    this.#gcm.tag(value, textAt, length, value, tagAt);
  }
}

/** With GCM, `final` yields no bytes; it only compares the tag. */
function isFinal(compare: () => unknown): boolean {
  try {
    compare();
    return true;
  } catch {
    return false;
  }
}
