import { nullLength, startsOf, type Texts } from '../../texts.ts';
import type { RowShape } from '../database.ts';
import type { DriverRow } from '../statement.ts';
import type { PostgresTable } from './catalog.ts';
import { isBinary, orderBy, source, value } from './statement.ts';

/** Two columns per text: all texts joined, and their lengths. The driver makes two strings for a whole column. */
export function joinedColumns(shape: RowShape): string {
  return places(shape)
    .map((column) => `string_agg(${column}, ''), array_agg(octet_length(${column}))::text`)
    .join(', ');
}

/** The rows whose columns `joinedColumns` joins. Null: a binary column, of which the driver's texts are twice as long. */
export function rowsToJoin(table: PostgresTable, shape: RowShape, where: string): string | null {
  if (shape.columns.some((column) => isBinary(table, column))) return null;
  const all = [...shape.id, ...shape.columns].map((column) => value(table, column));
  const selected = places(shape).map((name, place) => `${all[place]} as ${name}`);
  return `(select ${selected} from ${source(table)} ${where} ${orderBy(table, shape)}) joined`;
}

/** Result of `joinedColumns`: a row of one text of texts and one of lengths, `{93,NULL,…}`, for every column. */
export function joinedTexts(row: DriverRow): Texts[] {
  const texts: Texts[] = [];
  for (let at = 0; at < row.length; at += 2) {
    const lengths = lengthsOf((row[at + 1] as string | null) ?? '{}');
    const bytes = Buffer.from((row[at] as string | null) ?? '');
    const total = lengths.reduce((sum, length) => sum + Math.max(0, length), 0);
    if (total !== bytes.length)
      throw new Error(`${bytes.length} bytes arrived where the server sent ${total}`);
    texts.push({ bytes, starts: startsOf(lengths), lengths });
  }
  return texts;
}

function places({ id, columns }: RowShape): string[] {
  return [...id.map((_, place) => `i${place}`), ...columns.map((_, place) => `v${place}`)];
}

/** Of an array of whole numbers as PostgreSQL writes it. */
function lengthsOf(array: string): Int32Array {
  const lengths: number[] = [];
  let length = 0;
  for (let at = 1; at < array.length; at++) {
    const code = array.charCodeAt(at);
    if (code >= 0x30 && code <= 0x39) length = 10 * length + code - 0x30;
    else if (code === 0x4e) {
      // NULL
      length = nullLength;
      at += 3;
    } else if (at > 1) {
      lengths.push(length);
      length = 0;
    }
  }
  return Int32Array.from(lengths);
}
