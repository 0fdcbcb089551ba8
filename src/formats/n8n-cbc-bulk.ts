import { isUtf8 } from 'node:buffer';
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { startsOf, type Texts } from '../texts.ts';
import { Aes256 } from './aes256.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { blockBytes, cbcBytes, paddingOf } from './cbc-lanes.ts';
import { type BulkCipher, bulkClosed, bulkForeign, bulkSlow } from './format.ts';
import { CbcDerivation, cbcHeaderBytes, cbcLength, cbcMagic, cbcPrefix, cbcSaltBytes } from './n8n-cbc.ts';

/** Longer values, of which there are few, are opened one by one. In characters. */
const longestText = 16 * 1024;
/** For more blocks, a cipher object of node:crypto costs less than aes256.ts (bench/README.md). */
const mostBlocks = 16;

const prefix = Buffer.from(cbcPrefix);

/** n8n's older form, for all values of a chunk at once: without a Buffer, a string and a cipher object for each. */
export const n8nCbcBulk: BulkCipher = {
  key: legacyKey,
  open(sealed, ring) {
    if (ring.only !== null) return { ...sealed, lengths: sealed.lengths.map(() => bulkSlow) };
    return openAll(sealed, new CbcBlocks(legacyKey(ring).text));
  },
  seal(plain, ring) {
    return sealAll(plain, new CbcBlocks(legacyKey(ring).text));
  },
};

function legacyKey(ring: Keyring): Key {
  return ring.named('legacy') ?? ring.primary;
}

function openAll({ bytes, starts, lengths }: Texts, cipher: CbcBlocks): Texts {
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
        : length > longestText || !begins(bytes, starts[i] as number, length)
          ? bulkSlow
          : openOne(value, decodeBase64(bytes, starts[i] as number, length, value, 0), plain, end, cipher);
    end += Math.max(0, opened.lengths[i] as number);
  }
  return { bytes: plain.subarray(0, end), ...opened };
}

/** Whether it is of this form. Of the other form, and of none, `Format.open` tells more. */
function begins(bytes: Buffer, at: number, length: number): boolean {
  if (length < prefix.length) return false;
  for (let k = 0; k < prefix.length; k++) if (bytes[at + k] !== prefix[k]) return false;
  return true;
}

/** Length of the plaintext, which is at `at` in `plain`, or `bulkClosed`. */
function openOne(value: Buffer, size: number, plain: Buffer, at: number, cipher: CbcBlocks): number {
  const sealedBytes = size - cbcHeaderBytes;
  if (size < 0 || sealedBytes < blockBytes || sealedBytes % blockBytes !== 0) return bulkClosed;
  for (let k = prefix.length - 4; k < cbcMagic.length; k++) if (value[k] !== cbcMagic[k]) return bulkClosed;
  cipher.open(value, size, plain, at);
  const end = at + sealedBytes;
  const pad = paddingOf(plain, end);
  if (pad === 0) return bulkClosed;
  let high = 0;
  for (let k = at; k < end - pad; k++) high |= plain[k] as number;
  return high < 128 || isUtf8(plain.subarray(at, end - pad)) ? sealedBytes - pad : bulkClosed;
}

function sealAll({ bytes, starts, lengths }: Texts, cipher: CbcBlocks): Texts {
  const count = lengths.length;
  const texts = lengths.map((length) => cbcLength(length));
  const to = { starts: startsOf(texts), lengths: texts };
  const all = Buffer.allocUnsafeSlow(texts.reduce((sum, length) => sum + length, 0));
  const salts = randomFillSync(Buffer.allocUnsafeSlow(count * cbcSaltBytes));
  const most = lengths.reduce((longest, length) => Math.max(longest, length), 0);
  const value = Buffer.allocUnsafeSlow(cbcHeaderBytes + cbcBytes(most));
  cbcMagic.copy(value);
  for (let i = 0; i < count; i++) {
    const length = lengths[i] as number;
    const from = starts[i] as number;
    const size = cbcHeaderBytes + cbcBytes(length);
    salts.copy(value, cbcMagic.length, i * cbcSaltBytes, (i + 1) * cbcSaltBytes);
    for (let k = 0; k < length; k++) value[cbcHeaderBytes + k] = bytes[from + k] as number;
    value.fill(size - cbcHeaderBytes - length, cbcHeaderBytes + length, size);
    cipher.seal(value, size);
    encodeBase64(value, 0, size, all, to.starts[i] as number);
  }
  return { bytes: all, ...to };
}

/** AES-256-CBC of whole blocks, each value under the key and the IV that follow from its salt. */
class CbcBlocks {
  readonly #derivation: CbcDerivation;
  readonly #aes = new Aes256();

  constructor(password: string) {
    this.#derivation = new CbcDerivation(password);
  }

  /** Decrypts a value of `size` bytes. Writes the plaintext with its padding. */
  open(value: Buffer, size: number, plain: Buffer, to: number): void {
    const { key, iv } = this.#derivation.derive(value, cbcMagic.length);
    if (size - cbcHeaderBytes > mostBlocks * blockBytes) {
      const decipher = createDecipheriv('aes-256-cbc', key, iv).setAutoPadding(false);
      decipher.update(value.subarray(cbcHeaderBytes, size)).copy(plain, to);
      return;
    }
    this.#aes.setKey(key);
    this.#aes.prepareDecryption();
    for (let k = cbcHeaderBytes; k < size; k++) plain[to + k - cbcHeaderBytes] = value[k] as number;
    for (let at = cbcHeaderBytes, out = to; at < size; at += blockBytes, out += blockBytes) {
      this.#aes.decrypt(plain, out);
      if (at === cbcHeaderBytes) xor(plain, out, iv, 0);
      else xor(plain, out, value, at - blockBytes);
    }
  }

  /** Encrypts the padded plaintext after the header in place. */
  seal(value: Buffer, size: number): void {
    const { key, iv } = this.#derivation.derive(value, cbcMagic.length);
    if (size - cbcHeaderBytes > mostBlocks * blockBytes) {
      const cipher = createCipheriv('aes-256-cbc', key, iv).setAutoPadding(false);
      cipher.update(value.subarray(cbcHeaderBytes, size)).copy(value, cbcHeaderBytes);
      return;
    }
    this.#aes.setKey(key);
    for (let at = cbcHeaderBytes; at < size; at += blockBytes) {
      if (at === cbcHeaderBytes) xor(value, at, iv, 0);
      else xor(value, at, value, at - blockBytes);
      this.#aes.encrypt(value, at);
    }
  }
}

function xor(to: Buffer, at: number, from: Buffer, start: number): void {
  for (let k = 0; k < blockBytes; k++) to[at + k] = (to[at + k] as number) ^ (from[start + k] as number);
}
