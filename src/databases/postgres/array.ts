import type { Texts } from '../../texts.ts';

/** Oids of the element types; every PostgreSQL has the same (pg_type.dat). */
const oids = { text: 25, bytea: 17 } as const;
const headerBytes = 20;

/**
 * A parameter of type text[] or bytea[] in PostgreSQL's binary form (array_recv in
 * src/backend/utils/adt/arrayfuncs.c): number of dimensions, whether there are nulls, oid of the elements; length and
 * lower bound of the dimension; then each element after its length, -1 for NULL. The driver would write a literal, which
 * has to be escaped here and parsed there: for a document of 20 kB that costs more than its transfer.
 */
export function arrayParameter(type: keyof typeof oids, { bytes, starts, lengths }: Texts): Buffer {
  let room = headerBytes + 4 * lengths.length;
  let nulls = 0;
  for (const length of lengths) {
    if (length < 0) nulls = 1;
    else room += length;
  }
  const array = Buffer.allocUnsafeSlow(room);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(nulls, 4);
  array.writeInt32BE(oids[type], 8);
  array.writeInt32BE(lengths.length, 12);
  array.writeInt32BE(1, 16);
  let end = headerBytes;
  for (let i = 0; i < lengths.length; i++) {
    const length = lengths[i] as number;
    const start = starts[i] as number;
    array[end++] = length >> 24;
    array[end++] = length >> 16;
    array[end++] = length >> 8;
    array[end++] = length;
    // A native copy costs more than this many bytes in a loop
    if (length > 256) array.set(bytes.subarray(start, start + length), end);
    else for (let k = 0; k < length; k++) array[end + k] = bytes[start + k] as number;
    end += Math.max(0, length);
  }
  return array;
}
