import { nullLength, startsOf, type Texts } from '../../texts.ts';
import type { RowShape } from '../database.ts';
import type { DriverRow } from '../statement.ts';
import type { PostgresTable } from './catalog.ts';
import { isBinary, isWholeNumber, orderBy, source, value } from './statement.ts';

/** Reads whole columns: the driver makes one or two strings of each, however many rows there are. */
export class JoinedColumns {
  /** One row. Columns of whole numbers: joined by commas. Others: all texts joined, then their lengths, `{93,NULL,…}`. */
  readonly selected: string;
  readonly #isJoinedByCommas: readonly boolean[];
  readonly #from: (where: string) => string;

  private constructor(table: PostgresTable, shape: RowShape) {
    const columns = [...shape.id, ...shape.columns];
    this.#isJoinedByCommas = columns.map(
      (column, place) => place < shape.id.length && isWholeNumber(table, column),
    );
    this.selected = columns
      .map((_, place) =>
        this.#isJoinedByCommas[place]
          ? `string_agg(c${place}, ',')`
          : `string_agg(c${place}, ''), array_agg(octet_length(c${place}))::text`,
      )
      .join(', ');
    const inner = columns.map((column, place) => `${value(table, column)} as c${place}`);
    this.#from = (where) =>
      `(select ${inner} from ${source(table)} ${where} ${orderBy(table, shape)}) joined`;
  }

  /** Null: a binary column, of which the driver's texts are twice as long. */
  static of(table: PostgresTable, shape: RowShape): JoinedColumns | null {
    return shape.columns.some((column) => isBinary(table, column)) ? null : new JoinedColumns(table, shape);
  }

  sql(where: string): string {
    return `select ${this.selected} from ${this.#from(where)}`;
  }

  /** The columns of the result. */
  texts(row: DriverRow): Texts[] {
    const cells = (row as (string | null)[]).values();
    const next = (): string | null => cells.next().value ?? null;
    return this.#isJoinedByCommas.map((byCommas) =>
      byCommas ? separated(next()) : measured(next(), next()),
    );
  }
}

function separated(joined: string | null): Texts {
  const bytes = Buffer.from(joined ?? '', 'latin1');
  const starts: number[] = [];
  const lengths: number[] = [];
  for (let start = 0, at = 0; joined !== null && at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] !== comma) continue;
    starts.push(start);
    lengths.push(at - start);
    start = at + 1;
  }
  return { bytes, starts: Int32Array.from(starts), lengths: Int32Array.from(lengths) };
}

const comma = ','.charCodeAt(0);

function measured(joined: string | null, array: string | null): Texts {
  const lengths = lengthsOf(array ?? '{}');
  const bytes = Buffer.from(joined ?? '');
  const total = lengths.reduce((sum, length) => sum + Math.max(0, length), 0);
  if (total !== bytes.length) throw new Error(`${bytes.length} bytes arrived where the server sent ${total}`);
  return { bytes, starts: startsOf(lengths), lengths };
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
