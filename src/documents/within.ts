import { type Document, type Leaf, MalformedDocument } from './document.ts';
import { assertCounted, corrections, countedStrings } from './php-strings.ts';
import { splice } from './splice.ts';

/** What tells values from the text around them; a format says it (formats/signature.ts). */
export interface ValueShape {
  readonly beginning: string;
  readonly alphabet: string;
  readonly padding: number;
  readonly parts: number;
  readonly separator: string;
}

/**
 * Other text (YAML, markup, PHP's serialize) that contains values. Whatever begins like a value is a leaf, as far as
 * the characters of the encoding go. A value that is truncated or escaped does not open: it is an exception, and is not
 * skipped.
 */
export function within(shape: ValueShape): Document {
  const { beginning } = shape;
  const pattern = patternOf(shape);
  return {
    name: 'within',
    leaves(value) {
      const leaves: Leaf[] = [];
      for (let start = value.indexOf(beginning); start >= 0; ) {
        const end = endOf(value, start + beginning.length, shape);
        leaves.push({ path: `[${leaves.length}]`, text: value.slice(start, end), start, end });
        start = value.indexOf(beginning, end);
      }
      assertPlain(value, beginning);
      if (leaves.length > 0) countedStrings(value);
      return leaves;
    },
    edit(value, edits) {
      return splice(value, [...edits, ...corrections(value, edits)], (text) => text);
    },
    *read(value) {
      const found = value.match(pattern) ?? [];
      assertPlain(value, beginning);
      if (found.length > 0) assertCounted(value);
      for (const [index, text] of found.entries()) yield { path: `[${index}]`, text };
    },
    siblings() {
      return {};
    },
  };
}

function endOf(value: string, start: number, { alphabet, padding, parts, separator }: ValueShape): number {
  let at = start;
  for (let part = 1; ; part++) {
    while (at < value.length && alphabet.includes(value.charAt(at))) at++;
    for (let pad = 0; pad < padding && value[at] === '='; pad++) at++;
    if (part === parts || !value.startsWith(separator, at)) return at;
    at += separator.length;
  }
}

/** The same for the verifier. */
function patternOf({ beginning, alphabet, padding, parts, separator }: ValueShape): RegExp {
  const part = `[${literally(alphabet)}]*={0,${padding}}`;
  return new RegExp(`${literally(beginning)}${part}(?:${literally(separator)}${part}){0,${parts - 1}}`, 'g');
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}

/** A beginning that is hidden by JSON escapes would be missed. */
function assertPlain(value: string, beginning: string): void {
  if (!value.includes('\\')) return;
  const plain = value.replace(/(?<!\\)\\+(?:u00([0-7][0-9a-f])|\/)/gi, (_, code: string | undefined) =>
    code === undefined ? '/' : String.fromCharCode(Number.parseInt(code, 16)),
  );
  if (plain.split(beginning).length > value.split(beginning).length)
    throw new MalformedDocument('within', value.indexOf('\\'));
}
