import type { Edit, Leaf } from './document.ts';

/** The value with each edited leaf replaced by its encoded new text, and every character outside as it was. */
export function splice(
  value: string,
  edits: readonly Edit[],
  encode: (text: string, leaf: Leaf) => string,
): string {
  const ordered = [...edits].sort(byStart);
  // Joined at once: a string put together bit by bit keeps every bit alive until somebody reads it
  const parts: string[] = [];
  let done = 0;
  for (const { leaf, text } of ordered) {
    if (leaf.start < done || leaf.end > value.length)
      throw new RangeError(`edits overlap at offset ${leaf.start}`);
    // An unchanged text keeps its own spelling.
    if (text === leaf.text) continue;
    parts.push(value.slice(done, leaf.start), encode(text, leaf));
    done = leaf.end;
  }
  parts.push(value.slice(done));
  return parts.join('');
}

function byStart(a: Edit, b: Edit): number {
  return a.leaf.start - b.leaf.start;
}
