/** A place in a database: a column, or in its documents every value at one path. */
export interface Place {
  readonly table: string;
  readonly column: string;
  /** As documents write it, with [] for every item of an array; '' for a whole value. */
  readonly path: string;
}

/** What a name that is written as it is does not hold: whatever means something in a place, and what nobody sees. */
const odd = /^\s|\s$|[.[\]*=#"'`\\\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;

const quoted = '"(?:[^"\\\\]|\\\\.)*"';
const name = `${quoted}|[^.[\\]*=#"'\`\\\\]+`;
const step = `\\.[A-Za-z0-9_$-]+|\\[\\d*\\]|\\[${quoted}\\]|#`;
const item = new RegExp(`${quoted}|\\[\\d+\\]`, 'gs');
const shape = new RegExp(`^(?<table>${name})\\.(?<column>${name})(?<path>(?:${step})*)$`, 's');

/**
 * `Table.Column.path`; a name that is no plain one stands in quotes, as JSON writes it. Two places never share a text, and
 * `readPlace` reads it.
 *
 * @param path of a value, or of a place: every item of an array is the same place.
 */
export function placeText(table: string, column: string, path: string): string {
  return `${nameText(table)}.${nameText(column)}${placePath(path)}`;
}

/** The path of every value at the same place. */
export function placePath(path: string): string {
  return path.includes('[') ? path.replace(item, (part) => (part.startsWith('"') ? part : '[]')) : path;
}

/** Null: no place is written so. */
export function readPlace(text: string): Place | null {
  const { table, column, path = '' } = shape.exec(text)?.groups ?? {};
  if (table === undefined || column === undefined) return null;
  try {
    return { table: nameOf(table), column: nameOf(column), path: placePath(path) };
  } catch {
    return null;
  }
}

/** Whether a place is written as `placeText` does. */
export function isPlace(text: string): boolean {
  const { table, column, path } = readPlace(text) ?? {};
  return table !== undefined && column !== undefined && placeText(table, column, path ?? '') === text;
}

/** A table or column as it is, or in quotes where that could be taken for something else. */
export function nameText(text: string): string {
  return text === '' || odd.test(text) ? JSON.stringify(text) : text;
}

function nameOf(text: string): string {
  return text.startsWith('"') ? JSON.parse(text) : text;
}
