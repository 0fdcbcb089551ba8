import type { Edit, Leaf } from './document.ts';

/** Replaces each edited leaf with its encoded new text; all other characters stay as they are. */
export function splice(
  value: string,
  edits: readonly Edit[],
  encode: (text: string, leaf: Leaf) => string,
): string {
  const ordered = [...edits].sort(byStart);
  // Joined once: V8 keeps all the parts of a string that was concatenated step by step until it is read
  const parts: string[] = [];
  let done = 0;
  for (const { leaf, text } of ordered) {
    if (leaf.start < done || leaf.end > value.length)
      throw new RangeError(`edits overlap at offset ${leaf.start}`);
    // Unchanged text keeps its escapes as they are
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
