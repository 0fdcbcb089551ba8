import { hash } from 'node:crypto';
import type { Key } from '../keys/key.ts';
import type { Texts } from '../texts.ts';
import {
  base64Length,
  base64Url,
  decodeBase64,
  decodeUnpaddedBase64,
  encodeBase64,
  encodeUnpaddedBase64,
} from './base64.ts';
import { type CbcReader, type CbcWriter, openCbcBulk, sealCbcBulk } from './cbc-bulk.ts';
import { blockBytes } from './cbc-lanes.ts';
import { fernetLayout } from './fernet-layout.ts';
import { type BulkCipher, bulkClosed, bulkForeign } from './format.ts';

const { version, ivAt, sealedAt, macBytes, beginning } = fernetLayout;
const start = Buffer.from(beginning);

/** The layout and the cipher of `fernet`, for all values of a chunk at once. */
export function fernetBulk(keyBytes: (key: Key) => Buffer): BulkCipher {
  return {
    open(sealed, ring) {
      const key = keyBytes(ring.primary);
      return openCbcBulk(key.subarray(16), sealed, readerOf(new Mac(key.subarray(0, 16))));
    },
    seal(plain, ring, like) {
      const key = keyBytes(ring.primary);
      return sealCbcBulk(key.subarray(16), plain, writerOf(new Mac(key.subarray(0, 16)), like));
    },
  };
}

/** HMAC-SHA256 (RFC 2104) as two one-shot hashes, which cost less than `createHmac` (bench/README.md). */
class Mac {
  readonly #outer = Buffer.alloc(64 + macBytes, 0x5c);
  readonly #inner: Buffer;
  /** What is to be authenticated: up to `longest` bytes. */
  readonly message: Buffer;

  constructor(key: Buffer) {
    this.#inner = Buffer.alloc(64 + longest, 0x36);
    key.forEach((byte, i) => {
      this.#inner[i] = byte ^ 0x36;
      this.#outer[i] = byte ^ 0x5c;
    });
    this.message = this.#inner.subarray(64);
  }

  /** Of the first bytes of `message`. One character per byte. */
  of(length: number): string {
    this.#outer.write(hash('sha256', this.#inner.subarray(0, 64 + length), 'binary'), 64, 'binary');
    return hash('sha256', this.#outer, 'binary');
  }
}

/** Of a token with the most ciphertext that is opened in bulk. */
const longest = 2048;

function readerOf(mac: Mac): CbcReader {
  const { message: token } = mac;
  return ({ bytes, starts, lengths }, i, sealed, before, at) => {
    const from = starts[i] as number;
    const length = lengths[i] as number;
    const decode = length % 4 === 0 ? decodeBase64 : decodeUnpaddedBase64;
    const size = decode(bytes, from, length, token, 0, base64Url);
    const sealedBytes = size - sealedAt - macBytes;
    if (size < 0 || token[0] !== version || sealedBytes < blockBytes || sealedBytes % blockBytes !== 0)
      return beginsAs(bytes, from, length) ? bulkClosed : bulkForeign;
    const macAt = size - macBytes;
    const expected = mac.of(macAt);
    let differs = 0;
    for (let k = 0; k < macBytes; k++) differs |= expected.charCodeAt(k) ^ (token[macAt + k] as number);
    if (differs !== 0) return bulkClosed;
    for (let k = 0; k < blockBytes; k++) before[at + k] = token[ivAt + k] as number;
    for (let k = 0; k < sealedBytes; k++) sealed[at + k] = token[sealedAt + k] as number;
    return sealedBytes;
  };
}

function beginsAs(bytes: Buffer, from: number, length: number): boolean {
  return length >= start.length && bytes.compare(start, 0, start.length, from, from + start.length) === 0;
}

/** A token keeps its time, and whether it is padded. */
function writerOf(mac: Mac, like: Texts): CbcWriter {
  const { message: token } = mac;
  const lengthOf = (sealedBytes: number): number => sealedAt + sealedBytes + macBytes;
  const isPadded = (i: number): boolean => (like.lengths[i] as number) % 4 === 0;
  return {
    length(i, sealedBytes) {
      const bytes = lengthOf(sealedBytes);
      if (bytes > longest) throw new RangeError('too long to be encrypted in bulk');
      return isPadded(i) ? base64Length(bytes) : Math.ceil((bytes * 4) / 3);
    },
    write(i, { sealed, sealedAt: from, sealedBytes, ivs, ivAt: ivFrom }, to, at) {
      // Twelve characters are nine bytes: the version and the time
      decodeBase64(like.bytes, like.starts[i] as number, (4 * ivAt) / 3, token, 0, base64Url);
      for (let k = 0; k < blockBytes; k++) token[ivAt + k] = ivs[ivFrom + k] as number;
      for (let k = 0; k < sealedBytes; k++) token[sealedAt + k] = sealed[from + k] as number;
      const macAt = sealedAt + sealedBytes;
      token.write(mac.of(macAt), macAt, 'binary');
      (isPadded(i) ? encodeBase64 : encodeUnpaddedBase64)(token, 0, macAt + macBytes, to, at, base64Url);
    },
  };
}
