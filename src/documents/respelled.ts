import type { Document, Edit, Leaf } from './document.ts';

/** White space and lines of ciphertext, as a job declares them. */
export interface Spelling {
  /** There may be white space around it. */
  readonly trim: boolean;
  /** Number of characters per line; undefined: one line. */
  readonly lines: number | undefined;
  /** Characters of a prefix by which the first line may be longer. */
  readonly prefix: number;
}

interface RespelledLeaf extends Leaf {
  /** The whole text, as it is in the document. */
  readonly spelled: string;
}

/**
 * A document whose ciphertext has white space around it or line ends in it. Formats get it without these, and new
 * ciphertext gets those of the old one. Text that is not written as the job says is passed on unchanged: a format
 * rejects it.
 */
export function respelled(inner: Document, spelling: Spelling): Document {
  return {
    name: inner.name,
    leaves(value) {
      return inner.leaves(value).map((leaf): RespelledLeaf => {
        const { body } = around(leaf.text, spelling);
        return { ...leaf, text: layoutOf(body, spelling)?.joined ?? body, spelled: leaf.text };
      });
    },
    edit(value, edits) {
      return inner.edit(
        value,
        edits.map((edit) => spelledAgain(edit, spelling)),
      );
    },
    *read(value) {
      for (const { path, text } of inner.read(value)) {
        const body = spelling.trim ? text.trim() : text;
        yield { path, text: spelling.lines === undefined ? body : readLines(body, spelling, spelling.lines) };
      }
    },
    siblings: inner.siblings,
  };
}

function spelledAgain({ leaf, text }: Edit, spelling: Spelling): Edit {
  const { spelled } = leaf as RespelledLeaf;
  const { before, body, after } = around(spelled, spelling);
  const layout = layoutOf(body, spelling);
  const broken = layout === null ? text : brokenAs(text, layout);
  return { leaf: { ...leaf, text: spelled }, text: before + broken + after };
}

function around(text: string, { trim }: Spelling): { before: string; body: string; after: string } {
  if (!trim) return { before: '', body: text, after: '' };
  const start = text.length - text.trimStart().length;
  const end = Math.max(start, text.trimEnd().length);
  return { before: text.slice(0, start), body: text.slice(start, end), after: text.slice(end) };
}

interface Layout {
  readonly joined: string;
  /** Characters of the first line, and of the following ones except the last. Infinity: one line of any length. */
  readonly first: number;
  readonly width: number;
  readonly eol: string;
  /** What follows the last line: a line end, or nothing. */
  readonly last: string;
}

/** Null: the text does not have such lines. A single line is valid, since ciphertext may be short. */
function layoutOf(text: string, { lines: width, prefix }: Spelling): Layout | null {
  if (width === undefined) return null;
  const eol = /\r\n|\n|\r/.exec(text)?.[0] ?? '\n';
  const last = text.endsWith(eol) ? eol : '';
  const end = text.length - last.length;
  const broken = text.indexOf(eol);
  const isOne = broken < 0 || broken >= end;
  const first = isOne ? end : broken;
  if (!isOne && first !== width && first !== width + prefix) return null;
  const lines = [text.slice(0, first)];
  for (let at = first + eol.length; at <= end; at += width + eol.length) {
    const line = text.slice(at, Math.min(at + width, end));
    const isLast = at + line.length === end;
    if (line === '' || !(isLast || text.startsWith(eol, at + line.length))) return null;
    lines.push(line);
  }
  const joined = lines.join('');
  if (/[\r\n]/.test(joined)) return null;
  return { joined, first: isOne ? lengthOfOne(first, width, prefix) : first, width, eol, last };
}

/** Length of a single line. If it is longer than the lines, the text is never broken. */
function lengthOfOne(length: number, width: number, prefix: number): number {
  if (length <= width) return width;
  return length <= width + prefix ? width + prefix : Number.POSITIVE_INFINITY;
}

function brokenAs(text: string, { first, width, eol, last }: Layout): string {
  const lines = [text.slice(0, first)];
  for (let at = first; at < text.length; at += width) lines.push(text.slice(at, at + width));
  return lines.join(eol) + last;
}

/** The same for the verifier, line by line. */
function readLines(text: string, { prefix }: Spelling, width: number): string {
  const [eol] = /\r\n|\n|\r/.exec(text) ?? [];
  if (eol === undefined) return text;
  const lines = text.split(eol);
  if (lines.at(-1) === '') lines.pop();
  const isInLines = lines.every((line, i) => {
    const isLast = i === lines.length - 1;
    if (/[\r\n]/.test(line) || (line === '' && lines.length > 1)) return false;
    if (isLast) return lines.length === 1 || line.length <= width;
    return line.length === width || (i === 0 && line.length === width + prefix);
  });
  return isInLines ? lines.join('') : text;
}
