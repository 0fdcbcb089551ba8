import type { Edit, Leaf } from './document.ts';

/** The value with each edited leaf replaced by its encoded new text, and every character outside as it was. */
export function splice(
  value: string,
  edits: readonly Edit[],
  encode: (text: string, leaf: Leaf) => string,
): string {
  const ordered = [...edits].sort((a, b) => a.leaf.start - b.leaf.start);
  let result = '';
  let done = 0;
  for (const { leaf, text } of ordered) {
    if (leaf.start < done || leaf.end > value.length)
      throw new RangeError(`edits overlap at offset ${leaf.start}`);
    // An unchanged text keeps its own spelling.
    if (text === leaf.text) continue;
    result += value.slice(done, leaf.start) + encode(text, leaf);
    done = leaf.end;
  }
  return result + value.slice(done);
}
