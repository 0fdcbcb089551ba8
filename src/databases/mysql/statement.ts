import type { Change, Range, RowId, RowShape } from '../database.ts';
import { type Comparison, isAfter, isUpTo } from '../keyset.ts';
import { missingColumn } from '../known-tables.ts';
import { written } from '../statement.ts';
import type { MysqlTable } from './catalog.ts';
import { idText, idValue, type MysqlType } from './id.ts';

export function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

export function source(table: MysqlTable): string {
  return `${quote(table.name)} as t`;
}

export function orderBy(shape: RowShape): string {
  return `order by ${shape.id.map(idColumn)}`;
}

export function idColumn(column: string): string {
  return `t.${quote(column)}`;
}

export function typeOf(table: MysqlTable, column: string): MysqlType {
  const type = table.types.get(column);
  if (type !== undefined) return type;
  throw missingColumn(table.name, column);
}

export function isBinary(table: MysqlTable, column: string): boolean {
  return table.columns.find(({ name }) => name === column)?.holds === 'binary';
}

/** MySQL's JSON as text, which is a function of the stored value; in MariaDB JSON is a text. */
export function value(table: MysqlTable, column: string): string {
  return isJson(table, column) ? `cast(${idColumn(column)} as char)` : idColumn(column);
}

/** What a JSON text is read as that is longer than the server converts: no JSON, and no text of a JSON column, is this. */
export const cutOff = '\0';

/**
 * A JSON text beyond `max_allowed_packet` is converted to nothing, with a warning that no driver shows; valid JSON is never
 * empty.
 */
function whole(table: MysqlTable, column: string): string {
  const text = value(table, column);
  return isJson(table, column)
    ? `if(${idColumn(column)} is null, null, coalesce(nullif(${text}, ''), char(0)))`
    : text;
}

export function isJson(table: MysqlTable, column: string): boolean {
  return typeOf(table, column).data === 'json';
}

/** A text as UTF-8, anything else as its bytes: different values stay different, whatever collation and padding with spaces do. */
export function bytes(table: MysqlTable, column: string): string {
  if (isBinary(table, column)) return idColumn(column);
  const text = value(table, column);
  // A conversion makes a copy, which `max_allowed_packet` limits
  const legacy = legacyCharset(table, column) !== null;
  return `cast(${legacy ? `convert(${text} using utf8mb4)` : text} as binary)`;
}

/** A character set that is not part of UTF-8; null: it is. */
function legacyCharset(table: MysqlTable, column: string): string | null {
  const { charset } = typeOf(table, column);
  return charset === null || /^(utf8|utf8mb3|utf8mb4|ascii)$/.test(charset) ? null : charset;
}

/** In the unit of the column's limit: characters, but bytes for text types without a declared length. */
export function lengthOf(table: MysqlTable, column: string): string {
  const counted = /^(char|varchar|json)$/.test(typeOf(table, column).data) ? 'char_length' : 'octet_length';
  return `${counted}(${value(table, column)})`;
}

export function texts(table: MysqlTable, shape: RowShape): string {
  const id = shape.id.map((column) => idText(typeOf(table, column), idColumn(column)));
  return [...id, ...shape.columns.map((column) => whole(table, column))].join(', ') || 'null';
}

/** @param text SQL of a text of the row id, by place */
function comparisons(table: MysqlTable, shape: RowShape, text: (place: number) => string): Comparison[] {
  return shape.id.map(
    (column, place) => (operator) =>
      `${idColumn(column)} ${operator} ${idValue(typeOf(table, column), text(place))}`,
  );
}

/** With the values of their parameters: each `?` is a parameter of its own, so a bound is given as often as it is used. */
export function predicates(
  table: MysqlTable,
  shape: RowShape,
  range: Range,
): { conditions: string[]; values: string[] } {
  const values: string[] = [];
  const against = (bound: RowId): Comparison[] =>
    comparisons(table, shape, (place) => {
      values.push(bound[place] ?? '');
      return '?';
    });
  const conditions = [
    ...(range.after === null ? [] : [isAfter(against(range.after))]),
    ...(range.upTo === null ? [] : [isUpTo(against(range.upTo))]),
  ];
  return { conditions, values };
}

/**
 * Rows given as a JSON text, numbered from 1. STRAIGHT_JOIN: these rows come first, and each of them looks up its row by
 * the index. The index is forced: a small table would be scanned, and a scan waits for locks on other rows.
 */
function joined(table: MysqlTable, shape: RowShape, names: readonly string[]): string {
  const columns = names.map((name, place) => `${name} longtext path '$[${place}]'`);
  const given = `json_table(convert(? using utf8mb4), '$[*]' columns (n for ordinality, ${columns.join(', ')})) as c`;
  const same = comparisons(table, shape, (place) => `c.i${place}`).map((compare) => compare('='));
  const known = table.rowIdIndex !== null && shape.id.join('\0') === table.rowId.join('\0');
  const index = known ? `force index (${quote(table.rowIdIndex)})` : '';
  return `${given} straight_join ${source(table)} ${index} on ${same.join(' and ')}`;
}

export function readRowsSql(table: MysqlTable, shape: RowShape, lock: RowLock | null): string {
  const names = shape.id.map((_, place) => `i${place}`);
  return `select ${texts(table, shape)} from ${joined(table, shape, names)} ${lock ?? ''}`;
}

/** MySQL refuses to lock the rows of a JSON_TABLE (error 3569); MariaDB does not know how to name a table here. */
export type RowLock = 'for update' | 'for update of t';

export function rowLock(mariadb: boolean): RowLock {
  return mariadb ? 'for update' : 'for update of t';
}

/**
 * As fast as a join with a temporary table (bench/README.md), but without the privilege that one needs, and without state.
 *
 * `find` locks the rows that are unchanged, and returns their numbers.
 */
export function writeSql(
  table: MysqlTable,
  shape: RowShape,
  lock: RowLock,
): { update: string; find: string } {
  const names = [
    ...shape.id.map((_, i) => `i${i}`),
    ...shape.columns.map((_, i) => `o${i}`),
    ...written(shape).map((_, i) => `n${i}`),
  ];
  const stored = (column: string, text: string): string =>
    isBinary(table, column) ? `from_base64(${text})` : text;
  const set = [
    ...written(shape).map((column, i) => `${idColumn(column)} = ${stored(column, `c.n${i}`)}`),
    ...table.timestamped
      .filter((column) => !written(shape).includes(column))
      .map((column) => `${idColumn(column)} = ${idColumn(column)}`),
  ];
  const unchanged = shape.columns.map((column, i) => {
    const charset = i < shape.written ? legacyCharset(table, column) : null;
    // A byte that has no Unicode character was read as `?`, and would be written as `?`: in the column's own bytes they differ
    return charset === null
      ? `${bytes(table, column)} <=> cast(${stored(column, `c.o${i}`)} as binary)`
      : `cast(${idColumn(column)} as binary) <=> cast(convert(c.o${i} using ${charset}) as binary)`;
  });
  const from = joined(table, shape, names);
  const where = `where ${unchanged.join(' and ') || 'true'}`;
  return {
    update: `update ${from} set ${set.join(', ')} ${where}`,
    find: `select c.n from ${from} ${where} ${lock}`,
  };
}

/** A change as `writeSql` needs it: an element of its JSON, bytes in base64. */
export function changeJson(table: MysqlTable, shape: RowShape, change: Change): string {
  const given = (text: string | null | undefined, place: number): string | null =>
    text != null && isBinary(table, shape.columns[place] ?? '')
      ? Buffer.from(text, 'latin1').toString('base64')
      : (text ?? null);
  return JSON.stringify([
    ...change.id,
    ...shape.columns.map((_, place) => given(change.old[place], place)),
    ...written(shape).map((_, place) => given(change.new[place], place)),
  ]);
}
