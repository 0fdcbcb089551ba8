import { isUtf8 } from 'node:buffer';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { Aes256 } from './aes256.ts';
import { openBase64Bulk, type SaltedLayout, sealBase64Bulk, type ValueOpener } from './base64-bulk.ts';
import { blockBytes, cbcBytes, paddingOf } from './cbc-lanes.ts';
import { type BulkCipher, bulkClosed, bulkSlow } from './format.ts';
import { CbcDerivation, cbcHeaderBytes, cbcLength, cbcMagic, cbcSaltBytes } from './n8n-cbc.ts';

/** For more blocks, a cipher object of node:crypto costs less than aes256.ts (bench/README.md). */
const mostBlocks = 16;

/** n8n's older form, for all values of a chunk at once: without a Buffer, a string and a cipher object for each. */
export const n8nCbcBulk: BulkCipher = {
  key: legacyKey,
  open(sealed, ring) {
    if (ring.only !== null) return { ...sealed, lengths: sealed.lengths.map(() => bulkSlow) };
    return openBase64Bulk(sealed, opener(new CbcBlocks(legacyKey(ring).text)));
  },
  seal(plain, ring) {
    return sealBase64Bulk(plain, layoutOf(new CbcBlocks(legacyKey(ring).text)));
  },
};

function legacyKey(ring: Keyring): Key {
  return ring.named('legacy') ?? ring.primary;
}

/** Of the other form, and of none, `Format.open` tells more. */
function opener(cipher: CbcBlocks): ValueOpener {
  return (value, size, plain, at) => {
    const sealedBytes = size - cbcHeaderBytes;
    if (sealedBytes < blockBytes || sealedBytes % blockBytes !== 0) return bulkSlow;
    for (let k = 0; k < cbcMagic.length; k++) if (value[k] !== cbcMagic[k]) return bulkSlow;
    cipher.open(value, size, plain, at);
    const end = at + sealedBytes;
    const pad = paddingOf(plain, end);
    if (pad === 0) return bulkClosed;
    let high = 0;
    for (let k = at; k < end - pad; k++) high |= plain[k] as number;
    return high < 128 || isUtf8(plain.subarray(at, end - pad)) ? sealedBytes - pad : bulkClosed;
  };
}

function layoutOf(cipher: CbcBlocks): SaltedLayout {
  return {
    beginning: cbcMagic,
    saltBytes: cbcSaltBytes,
    size: (plainBytes) => cbcHeaderBytes + cbcBytes(plainBytes),
    textLength: cbcLength,
    seal(plain, at, length, value) {
      const size = cbcHeaderBytes + cbcBytes(length);
      for (let k = 0; k < length; k++) value[cbcHeaderBytes + k] = plain[at + k] as number;
      value.fill(size - cbcHeaderBytes - length, cbcHeaderBytes + length, size);
      cipher.seal(value, size);
    },
  };
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
