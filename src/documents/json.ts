import type { Document, Leaf } from './document.ts';
import { readJson } from './json-reader.ts';
import { JsonScanner } from './json-scanner.ts';
import { anyString, namedStrings, type Track } from './json-track.ts';
import { siblingsAt } from './siblings.ts';
import { splice } from './splice.ts';

/**
 * JSON text with ciphertext in its strings: those at the given paths, or any at any depth. Keys are not leaves.
 * A path that occurs twice (duplicate keys) is two leaves.
 */
export function json(paths: readonly string[] | 'any'): Document {
  const leaves = paths === 'any' ? scanner(anyString) : scanner(namedStrings(paths));
  return {
    name: 'json',
    leaves,
    edit(value, edits) {
      return splice(value, edits, escaped);
    },
    read(value) {
      return readJson(value, paths);
    },
    siblings: siblingsAt,
  };
}

function scanner<Position>(track: Track<Position>): (value: string) => Leaf[] {
  return (value) => new JsonScanner(value, track).leaves();
}

/** The content of a JSON string. Only quotes, backslashes, control characters and lone surrogates are escaped. */
export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
