import type { Document, Leaf } from './document.ts';
import { escaped } from './json.ts';
import { nestedStrings } from './json-nested.ts';
import { readNested } from './json-reader.ts';
import { siblingsAt } from './siblings.ts';
import { splice } from './splice.ts';

/** JSON text with ciphertext in its strings, at any depth, also in JSON inside strings. Other text is malformed. */
export const nested: Document = {
  name: 'json',
  leaves: nestedStrings,
  edit(value, edits) {
    return splice(value, edits, escapedWithin);
  },
  read(value) {
    return readNested(value);
  },
  siblings: siblingsAt,
};

function escapedWithin(text: string, { within = 0 }: Leaf): string {
  let encoded = text;
  for (let level = 0; level < within; level++) encoded = escaped(encoded);
  return encoded;
}
