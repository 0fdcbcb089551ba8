/** Fits a terminal, an e-mail and a print-out. */
const width = 80;
const between = 2;
/** If the column of the names would be narrower than this, a list is written instead of a table. */
const narrowestName = 16;

/** A part of a report, for people. What it looks like is decided by `linesOf` and by html.ts. */
export type Block =
  | { readonly kind: 'fact'; readonly label: string; readonly value: string }
  /** `first` is what the first line begins with: the time of an event. */
  | { readonly kind: 'text'; readonly text: string; readonly first: string }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'numbers'; readonly rows: readonly (readonly [number: string, what: string])[] }
  | {
      readonly kind: 'table';
      /** The first column holds names. */
      readonly heads: readonly string[];
      readonly rows: readonly (readonly string[])[];
      readonly align: 'left' | 'right';
    }
  | { readonly kind: 'gap' };

export const gap: Block = { kind: 'gap' };

export function paragraph(text: string, first = ''): Block[] {
  return [{ kind: 'text', text, first }];
}

export function labelled(label: string, value: string): Block[] {
  return [{ kind: 'fact', label, value }];
}

export function bullets(items: readonly string[]): Block[] {
  return items.length === 0 ? [] : [{ kind: 'list', items }];
}

export function numbers(rows: readonly (readonly [string, string])[]): Block[] {
  return [{ kind: 'numbers', rows }];
}

export function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  align: 'left' | 'right' = 'right',
): Block[] {
  return [{ kind: 'table', heads, rows, align }];
}

export function title(text: string): string[] {
  const rule = '='.repeat(width);
  return [rule, text, rule];
}

export function section(heading: string, body: readonly Block[]): string[] {
  if (body.length === 0) return [];
  const rule = '-'.repeat(width);
  return ['', rule, heading, rule, ...linesOf(body)];
}

export function linesOf(blocks: readonly Block[]): string[] {
  return blocks.flatMap((block) => {
    switch (block.kind) {
      case 'fact':
        return wrap(block.value, block.label.padEnd(14));
      case 'text':
        return wrap(block.text, block.first);
      case 'list':
        return block.items.flatMap((item) => wrap(item, '- '));
      case 'numbers':
        return aligned(block.rows);
      case 'table':
        return tableLines(block.heads, block.rows, block.align);
      default:
        return [''];
    }
  });
}

/** Text from a database can contain control characters, which a terminal would execute. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Breaks text at spaces. A word that is longer than a line (a path, a hash) stays whole, so that it can be copied. */
function wrap(text: string, first = '', rest = ' '.repeat(first.length)): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of printable(text).split(' ')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = rest;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line].map((done) => done.trimEnd());
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const room = Math.max(...rows.map(([number]) => number.length));
  return rows.map(([number, what]) => `  ${number.padStart(room)} ${what}`);
}

/**
 * The first column holds names. A name that is too long for its column gets its own line. A table that is too wide is
 * written as a list.
 */
function tableLines(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  align: 'left' | 'right',
): string[] {
  const lines = [heads, ...rows.map((row) => row.map(printable))];
  const widths = heads.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const cells = widths.slice(1).reduce((sum, w) => sum + between + w, 0);
  if (width - cells < narrowestName) return rows.flatMap((row) => listed(heads, row));
  const name = Math.min(widths[0] ?? 0, width - cells);
  return lines.flatMap((line) => cellsOf(line, [name, ...widths.slice(1)], align));
}

function cellsOf(line: readonly string[], widths: readonly number[], align: 'left' | 'right'): string[] {
  const [name = '', ...cells] = line;
  const padded = cells.map((cell, i) => {
    const room = widths[i + 1] ?? 0;
    return ' '.repeat(between) + (align === 'right' ? cell.padStart(room) : cell.padEnd(room));
  });
  const own = name.length > (widths[0] ?? 0);
  const numbers = (own ? '' : name).padEnd(widths[0] ?? 0) + padded.join('');
  return [...(own ? [name] : []), numbers.trimEnd()];
}

function listed(heads: readonly string[], row: readonly string[]): string[] {
  const [name = '', ...cells] = row;
  const facts = cells.map((cell, i) => (cell === '' ? '' : `${heads[i + 1] ?? ''} ${cell}`));
  return [...wrap(name), ...wrap(facts.filter((fact) => fact !== '').join(', '), '  ')];
}
