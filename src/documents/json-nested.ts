import { type Leaf, MalformedDocument } from './document.ts';
import { JsonScanner } from './json-scanner.ts';
import { anyString } from './json-track.ts';

/** JSON inside strings inside JSON …: deeper than any person or program writes. */
export const mostNestings = 8;

/**
 * Every string of a JSON text. A string that is itself JSON is replaced by its own strings, with a `#` in their paths.
 * Offsets are those in the outermost text.
 */
export function nestedStrings(value: string): Leaf[] {
  return stringsOf(value, 1);
}

function stringsOf(value: string, within: number): Leaf[] {
  const found: Leaf[] = [];
  for (const leaf of new JsonScanner(value, anyString, within).leaves()) {
    if (within === mostNestings || !mayBeJson(leaf.text)) found.push(leaf);
    else for (const inner of unfolded(value, leaf, within)) found.push(inner);
  }
  return found;
}

function unfolded(value: string, leaf: Leaf, within: number): Leaf[] {
  let inner: Leaf[];
  try {
    inner = stringsOf(leaf.text, within + 1);
  } catch (error) {
    if (error instanceof MalformedDocument) return [leaf];
    throw error;
  }
  if (inner.length === 0) return [leaf];
  const offsets = rawOffsets(value, leaf);
  return inner.map((each) => ({
    ...each,
    path: `${leaf.path}#${each.path}`,
    start: offsets[each.start] ?? leaf.end,
    end: offsets[each.end] ?? leaf.end,
  }));
}

export function mayBeJson(text: string): boolean {
  return /^\s*[[{]/.test(text);
}

/** For each character of the decoded string, and its end, the offset of its escaped form. */
function rawOffsets(value: string, { text, start, end }: Leaf): Uint32Array {
  const offsets = new Uint32Array(text.length + 1);
  let at = start;
  for (let i = 0; i < text.length; i++) {
    offsets[i] = at;
    at += value[at] !== '\\' ? 1 : value[at + 1] === 'u' ? 6 : 2;
  }
  offsets[text.length] = end;
  return offsets;
}
