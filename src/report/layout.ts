/** Fits a terminal, an e-mail and a print-out. */
const width = 80;
const gap = 2;
/** If the column of the names would be narrower than this, a list is written instead of a table. */
const narrowestName = 16;

export function title(text: string): string[] {
  const rule = '='.repeat(width);
  return [rule, text, rule];
}

export function section(heading: string, body: readonly string[]): string[] {
  if (body.length === 0) return [];
  const rule = '-'.repeat(width);
  return ['', rule, heading, rule, ...body];
}

/** Text from a database can contain control characters, which a terminal would execute. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** Breaks text at spaces. A word that is longer than a line (a path, a hash) stays whole, so that it can be copied. */
export function wrap(text: string, first = '', rest = ' '.repeat(first.length)): string[] {
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

/** `label       value`, continued below the value. */
export function labelled(label: string, value: string): string[] {
  return wrap(value, `${label.padEnd(14)}`);
}

export function bullets(sentences: readonly string[]): string[] {
  return sentences.flatMap((sentence) => wrap(sentence, '- '));
}

/**
 * The first column holds names. A name that is too long for its column gets its own line. A table that is too wide is
 * written as a list.
 */
export function table(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  align: 'left' | 'right' = 'right',
): string[] {
  const lines = [heads, ...rows.map((row) => row.map(printable))];
  const widths = heads.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  const cells = widths.slice(1).reduce((sum, w) => sum + gap + w, 0);
  if (width - cells < narrowestName) return rows.flatMap((row) => listed(heads, row));
  const name = Math.min(widths[0] ?? 0, width - cells);
  return lines.flatMap((line) => aligned(line, [name, ...widths.slice(1)], align));
}

function aligned(line: readonly string[], widths: readonly number[], align: 'left' | 'right'): string[] {
  const [name = '', ...cells] = line;
  const padded = cells.map((cell, i) => {
    const room = widths[i + 1] ?? 0;
    return ' '.repeat(gap) + (align === 'right' ? cell.padStart(room) : cell.padEnd(room));
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
