import { type Document, MalformedDocument } from './document.ts';
import { nestedStrings } from './json-nested.ts';
import { readNested } from './json-reader.ts';
import { nested } from './nested.ts';
import { siblingsAt } from './siblings.ts';

/**
 * Text that may contain ciphertext anywhere. In JSON, a leaf is any string at any depth, also in JSON inside strings.
 * In other text, the whole text is the one leaf.
 */
export const any: Document = {
  name: 'any',
  leaves(value) {
    return orWhole(value, nestedStrings, { path: '', text: value, start: 0, end: value.length, within: 0 });
  },
  edit: nested.edit,
  read(value) {
    return orWhole(value, readNested, { path: '', text: value });
  },
  siblings(value, path) {
    return siblingsAt(unmarked(value), path);
  },
};

/** A byte order mark is not part of the JSON (RFC 8259, section 8.1). A space in its place keeps all offsets. */
function unmarked(value: string): string {
  return value.startsWith('\ufeff') ? ` ${value.slice(1)}` : value;
}

/** Text that begins like JSON but is not valid JSON is treated as other text. */
function orWhole<T>(value: string, parse: (value: string) => T[], whole: T): T[] {
  if (!/^\s*[[{"]/.test(value)) return [whole];
  try {
    return parse(unmarked(value));
  } catch (error) {
    if (error instanceof MalformedDocument) return [whole];
    throw error;
  }
}
