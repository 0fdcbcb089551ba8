import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import { startsOf, type Texts } from '../texts.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { bulkClosed, bulkForeign, bulkSlow } from './format.ts';
import { Gcm256, gcmTagBytes } from './gcm256.ts';
import type { Hkdf } from './hkdf.ts';
import { gcmHkdf, gcmLayout, gcmLength, gcmSaltBytes } from './n8n-gcm.ts';

const { version, tagAt, textAt, keyBytes } = gcmLayout;
/** Longer values, of which there are few, are opened one by one. In characters. */
const longestText = 16 * 1024;
/** For longer texts, a cipher object of node:crypto costs less than gcm256.ts (bench/README.md). In bytes. */
const longestBlocks = 96;

/** n8n's newer form without a prefix, for all values of a chunk at once. Other forms are `bulkSlow`. */
export function openGcmBulk(inputKey: Buffer, { bytes, starts, lengths }: Texts): Texts {
  const cipher = new GcmValues(inputKey);
  const opened = { starts: new Int32Array(lengths.length), lengths: new Int32Array(lengths.length) };
  let room = 0;
  for (const length of lengths) if (length > 0 && length <= longestText) room += length;
  const plain = Buffer.allocUnsafeSlow(room);
  const value = Buffer.allocUnsafeSlow(longestText);
  let end = 0;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    opened.starts[i] = end;
    opened.lengths[i] =
      length <= 0
        ? bulkForeign
        : length > longestText
          ? bulkSlow
          : openOne(value, decodeBase64(bytes, starts[i] as number, length, value, 0), plain, end, cipher);
    end += Math.max(0, opened.lengths[i] as number);
  }
  return { bytes: plain.subarray(0, end), ...opened };
}

/** Length of the plaintext, which is at `at` in `plain`, or `bulkClosed`. */
function openOne(value: Buffer, size: number, plain: Buffer, at: number, cipher: GcmValues): number {
  if (size < textAt || value[0] !== version) return bulkSlow;
  return cipher.open(value, size, plain, at) ? size - textAt : bulkClosed;
}

/** Each value with a random salt. */
export function sealGcmBulk(inputKey: Buffer, { bytes, starts, lengths }: Texts): Texts {
  const cipher = new GcmValues(inputKey);
  const texts = lengths.map((length) => gcmLength(length));
  const to = { starts: startsOf(texts), lengths: texts };
  const all = Buffer.allocUnsafeSlow(texts.reduce((sum, length) => sum + length, 0));
  const salts = randomFillSync(Buffer.allocUnsafeSlow(lengths.length * gcmSaltBytes));
  const value = Buffer.alloc(
    textAt + lengths.reduce((longest, length) => Math.max(longest, length), 0),
    version,
  );
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    salts.copy(value, 1, i * gcmSaltBytes, (i + 1) * gcmSaltBytes);
    cipher.seal(bytes, starts[i] as number, length, value);
    encodeBase64(value, 0, textAt + length, all, to.starts[i] as number);
  }
  return { bytes: all, ...to };
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
    if (length > longestBlocks) {
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
    if (length > longestBlocks) {
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
