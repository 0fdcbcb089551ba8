import type { Key } from '../keys/key.ts';
import { base64Length, decodeBase64, encodeBase64 } from './base64.ts';
import { type CbcReader, type CbcWriter, openCbcBulk, sealCbcBulk } from './cbc-bulk.ts';
import { blockBytes } from './cbc-lanes.ts';
import { type BulkCipher, bulkForeign } from './format.ts';

const bar = '|'.charCodeAt(0);
/** The bar and the IV, at the end of each value. */
const tail = 1 + base64Length(blockBytes);
/** The shortest value: one block. */
const shortest = base64Length(blockBytes) + tail;

/** The layout and the cipher of `octopus`, for all values of a chunk at once. */
export function octopusBulk(keyBytes: (key: Key) => Buffer): BulkCipher {
  return {
    open(sealed, ring) {
      return openCbcBulk(keyBytes(ring.primary), sealed, read);
    },
    seal(plain, ring) {
      return sealCbcBulk(keyBytes(ring.primary), plain, writer);
    },
  };
}

const read: CbcReader = ({ bytes, starts, lengths }, i, sealed, before, at) => {
  const start = starts[i] as number;
  const length = lengths[i] as number;
  if (length < shortest) return bulkForeign;
  const ivAt = start + length - tail;
  if (bytes[ivAt] !== bar || decodeBase64(bytes, ivAt + 1, tail - 1, before, at) !== blockBytes)
    return bulkForeign;
  const size = decodeBase64(bytes, start, length - tail, sealed, at);
  return size <= 0 || size % blockBytes !== 0 ? bulkForeign : size;
};

const writer: CbcWriter = {
  length(_, sealedBytes) {
    return base64Length(sealedBytes) + tail;
  },
  write(_, { sealed, sealedAt, sealedBytes, ivs, ivAt }, to, at) {
    const end = at + encodeBase64(sealed, sealedAt, sealedBytes, to, at);
    to[end] = bar;
    encodeBase64(ivs, ivAt, blockBytes, to, end + 1);
  },
};
