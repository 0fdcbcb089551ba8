/** A place in a database: a column, or every value at one path in its documents. */
export interface Place {
  readonly table: string;
  readonly column: string;
  /** A path of a document, with [] for every item of an array; '' for a whole value. */
  readonly path: string;
}

/** Names with these are quoted: they have a meaning in a place, or are invisible. */
const odd = /^\s|\s$|[.[\]*=#"'`\\\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u;

const quoted = '"(?:[^"\\\\]|\\\\.)*"';
const name = `${quoted}|[^.[\\]*=#"'\`\\\\]+`;
const step = `\\.[A-Za-z0-9_$-]+|\\[\\d*\\]|\\[${quoted}\\]|#`;
const member = new RegExp(`\\.([A-Za-z0-9_$-]+)|\\[(${quoted})\\]`, 'gs');
const item = new RegExp(`${quoted}|\\[\\d+\\]`, 'gs');
const shape = new RegExp(`^(?<table>${name})\\.(?<column>${name})(?<path>(?:${step})*)$`, 's');

/**
 * `Table.Column.path`, with special names in quotes, as in JSON. No two places have the same text; `readPlace` reads
 * it.
 *
 * @param path of a value or of a place: every item of an array is the same place.
 */
export function placeText(table: string, column: string, path: string): string {
  return `${nameText(table)}.${nameText(column)}${placePath(path)}`;
}

/** The path of a place, given the path of one of its values. */
export function placePath(path: string): string {
  return path.includes('[') ? path.replace(item, (part) => (part.startsWith('"') ? part : '[]')) : path;
}

/** Null: the text is not a place. */
export function readPlace(text: string): Place | null {
  const { table, column, path = '' } = shape.exec(text)?.groups ?? {};
  if (table === undefined || column === undefined) return null;
  try {
    return { table: nameOf(table), column: nameOf(column), path: placePath(path) };
  } catch {
    return null;
  }
}

/** The names of the column and of the members on the path to a value; of one with dots, its last part too. */
export function namesOf(place: string): ReadonlySet<string> {
  const { column = '', path = '' } = readPlace(place) ?? {};
  const members = [...path.matchAll(member)].map(
    ([, plain, quotedName = '']) => plain ?? JSON.parse(quotedName),
  );
  return new Set(
    [column, ...members].flatMap((each: string) => [each, each.slice(each.lastIndexOf('.') + 1)]),
  );
}

/** Whether the text is a place exactly as `placeText` writes it. */
export function isPlace(text: string): boolean {
  const { table, column, path } = readPlace(text) ?? {};
  return table !== undefined && column !== undefined && placeText(table, column, path ?? '') === text;
}

/** The name of a table or column, quoted if it is ambiguous. */
export function nameText(text: string): string {
  return text === '' || odd.test(text) ? JSON.stringify(text) : text;
}

function nameOf(text: string): string {
  return text.startsWith('"') ? JSON.parse(text) : text;
}
