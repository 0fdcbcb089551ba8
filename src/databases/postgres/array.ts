/** Oids of the element types; every PostgreSQL has the same (pg_type.dat). */
const textOid = 25;
const byteaOid = 17;
const headerBytes = 20;

/**
 * A parameter of type text[] or bytea[] in PostgreSQL's binary form (array_recv in
 * src/backend/utils/adt/arrayfuncs.c): number of dimensions, whether there are nulls, oid of the elements; length and
 * lower bound of the dimension; then each element after its length, -1 for NULL. The driver would write a literal, which
 * has to be escaped here and parsed there: for a document of 20 kB that costs more than its transfer.
 *
 * @param type of the elements; for `bytea` a string has one character per byte
 */
export function arrayParameter(type: 'text' | 'bytea', elements: readonly (string | null)[]): Buffer {
  const encoding = type === 'text' ? 'utf8' : 'latin1';
  const bytesPerCharacter = encoding === 'utf8' ? 3 : 1;
  let room = headerBytes;
  for (const element of elements) room += 4 + (element?.length ?? 0) * bytesPerCharacter;
  const array = Buffer.allocUnsafe(room);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(elements.includes(null) ? 1 : 0, 4);
  array.writeInt32BE(type === 'text' ? textOid : byteaOid, 8);
  array.writeInt32BE(elements.length, 12);
  array.writeInt32BE(1, 16);
  let end = headerBytes;
  for (const element of elements) {
    const length = element === null ? -1 : array.write(element, end + 4, encoding);
    array.writeInt32BE(length, end);
    end += 4 + Math.max(0, length);
  }
  return array.subarray(0, end);
}
