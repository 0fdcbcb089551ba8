/** The label of a line (`rows:     `, ` 1. `, `- `): the lines that continue it start below its text. */
const label = /^\s*(?:\S+:\s+|\d+\.\s+|-\s+)?/;

/** Breaks lines that are longer than a terminal is wide: at spaces, never inside a word. */
export function wrapText(text: string, columns: number): string {
  return text
    .split('\n')
    .flatMap((line) => (line.length <= columns ? [line] : wrapLine(line, columns)))
    .join('\n');
}

function wrapLine(line: string, columns: number): string[] {
  const { length } = label.exec(line)?.[0] ?? '';
  const indent = length <= columns / 2 ? length : 0;
  return join(line.slice(indent).split(' '), line.slice(0, indent), ' '.repeat(indent), columns, '');
}

/** A command for a POSIX shell, broken so that it can still be copied and run. */
export function wrapCommand(command: string, columns: number): string {
  if (command.length <= columns) return command;
  const words = command.match(/(?:'[^']*'|\\.|[^\s'\\])+/g) ?? [];
  return join(words, '', '  ', columns, ' \\').join('\n');
}

function join(
  words: readonly string[],
  first: string,
  indent: string,
  columns: number,
  end: string,
): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of words) {
    if (!empty && line.length + 1 + word.length + end.length > columns) {
      lines.push(`${line.trimEnd()}${end}`);
      line = indent;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}
