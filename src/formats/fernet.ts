import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { blockBytes, cbcBytes, openCbc, sealCbc } from './cbc-lanes.ts';
import { encodings } from './encoding.ts';
import { fernetBulk } from './fernet-bulk.ts';
import { fernetLayout } from './fernet-layout.ts';
import type { Format, Opening } from './format.ts';
import { keyBytesFor } from './key-bytes.ts';

/**
 * Fernet (https://github.com/fernet/spec, Python's cryptography): base64url(0x80 ‖ seconds since 1970 (8, big-endian) ‖
 * IV (16) ‖ AES-128-CBC/PKCS#7 ‖ HMAC-SHA256 of all before it (32)). The key is 16 bytes for the HMAC, then 16 for AES.
 * A token keeps its time when it is sealed again, so that readers that reject old tokens (`ttl`) still do.
 */

const { version, timeAt, ivAt, sealedAt, macBytes, beginning } = fernetLayout;
const keyLengths = [32];
const { alphabet, padding, decode, encode, length } = encodings.base64url;

export const fernet: Format = {
  name: 'fernet',
  authenticated: true,
  odds: 2 ** (-8 * macBytes),
  random: true,
  carries: 'text',
  keyLengths,
  bulk: fernetBulk((key) => keyBytesFor('fernet', key, keyLengths)),
  signature: { beginning, alphabet, padding, parts: 1, separator: '' },

  open(sealed, ring) {
    const key = ring.primary;
    const { mac, cipherKey } = split(keyBytesFor('fernet', key, keyLengths));
    const tokens = sealed.map((text) => {
      const bytes = parse(text);
      if (bytes === undefined) return text.startsWith(beginning) ? 'closed' : 'foreign';
      const body = bytes.subarray(0, -macBytes);
      return timingSafeEqual(mac(body), bytes.subarray(-macBytes)) ? body : 'closed';
    });
    const opened = openCbc(
      cipherKey,
      tokens
        .filter((token) => typeof token !== 'string')
        .map((body) => ({ iv: body.subarray(ivAt, sealedAt), sealed: body.subarray(sealedAt) })),
    );
    let next = 0;
    return tokens.map((token): Opening => {
      if (typeof token === 'string') return token;
      const plain = opened[next++];
      return plain === undefined ? 'closed' : { plain, key };
    });
  },

  seal(plain, ring, like) {
    const { mac, cipherKey } = split(keyBytesFor('fernet', ring.primary, keyLengths));
    return sealCbc(cipherKey, plain).map(({ iv, sealed }, i) => {
      const old = like[i] ?? '';
      const body = Buffer.concat([Buffer.of(version), timeOf(old), iv, sealed]);
      return encode(Buffer.concat([body, mac(body)]), old);
    });
  },

  isEmpty(text) {
    return text === '';
  },

  sealedLength(plainBytes) {
    return length(sealedAt + cbcBytes(plainBytes) + macBytes);
  },

  prefixes() {
    return [beginning];
  },
};

/** A token's bytes; undefined if the text is not a token. */
function parse(text: string): Buffer | undefined {
  const bytes = decode(text);
  if (bytes === undefined || bytes[0] !== version) return undefined;
  const sealed = bytes.length - sealedAt - macBytes;
  return sealed >= blockBytes && sealed % blockBytes === 0 ? bytes : undefined;
}

/** The eight bytes of the time in a token; if there is no token, the current time. */
function timeOf(token: string): Buffer {
  const old = parse(token);
  if (old !== undefined) return old.subarray(timeAt, ivAt);
  const now = Buffer.alloc(8);
  now.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000)));
  return now;
}

function split(key: Buffer): { mac: (body: Buffer) => Buffer; cipherKey: Buffer } {
  const signing = createSecretKey(key.subarray(0, 16));
  return {
    mac: (body) => createHmac('sha256', signing).update(body).digest(),
    cipherKey: key.subarray(16),
  };
}
