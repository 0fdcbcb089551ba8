import { type Document, type Leaf, MalformedDocument } from './document.ts';
import { escaped } from './json.ts';
import { nestedStrings } from './json-nested.ts';
import { readNested } from './json-reader.ts';
import { siblingsAt } from './siblings.ts';
import { splice } from './splice.ts';

/**
 * Text that carries ciphertext in no declared way: where it is JSON, any of its strings, at any depth and in JSON texts
 * inside strings too; else the whole text.
 */
export const any: Document = {
  name: 'any',
  leaves(value) {
    return orWhole(value, nestedStrings, { path: '', text: value, start: 0, end: value.length, within: 0 });
  },
  edit(value, edits) {
    return splice(value, edits, escapedWithin);
  },
  read(value) {
    return orWhole(value, readNested, { path: '', text: value });
  },
  siblings(value, path) {
    return siblingsAt(unmarked(value), path);
  },
};

function escapedWithin(text: string, { within = 0 }: Leaf): string {
  let encoded = text;
  for (let level = 0; level < within; level++) encoded = escaped(encoded);
  return encoded;
}

/** A byte order mark is none of the JSON behind it (RFC 8259, section 8.1); a space in its place keeps all offsets. */
function unmarked(value: string): string {
  return value.startsWith('\ufeff') ? ` ${value.slice(1)}` : value;
}

/** What only looks like JSON at its beginning is text like any other. */
function orWhole<T>(value: string, parse: (value: string) => T[], whole: T): T[] {
  if (!/^\s*[[{"]/.test(value)) return [whole];
  try {
    return parse(unmarked(value));
  } catch (error) {
    if (error instanceof MalformedDocument) return [whole];
    throw error;
  }
}
