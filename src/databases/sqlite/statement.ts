import type { Range, Row, RowId, RowShape } from '../database.ts';
import { type Comparison, isAfter, isUpTo } from '../keyset.ts';
import { where, written } from '../statement.ts';
import type { SqliteTable } from './catalog.ts';
import { idText, idValue, type SqliteValue } from './id.ts';
import { encoded } from './text.ts';

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** @param alias another name of the column */
export function idColumn(table: SqliteTable, column: string, alias = `t.${quote(column)}`): string {
  const collation = table.collations.get(column);
  return collation === undefined ? alias : `${alias} collate ${quote(collation)}`;
}

export function order(table: SqliteTable, shape: RowShape, aliases?: readonly string[]): string {
  return shape.id.map((column, place) => idColumn(table, column, aliases?.[place])).join(', ');
}

/**
 * A column can hold any value, so it is read as what the column is declared to hold: a text in a binary column as its
 * bytes, a blob in a text column as text.
 */
export function stored(table: SqliteTable, column: string): string {
  return `cast(t.${quote(column)} as ${table.binary.has(column) ? 'blob' : 'text'})`;
}

export function selected(table: SqliteTable, shape: RowShape): string {
  const columns = shape.columns.map((column) => stored(table, column));
  return [...shape.id.map((column) => `t.${quote(column)}`), ...columns].join(', ') || 'null';
}

export function orderBy(table: SqliteTable, shape: RowShape): string {
  return `order by ${order(table, shape)}`;
}

/** A blob stays a blob and a text stays a text, since the application may rely on it. A text can be given as its bytes. */
export function writeSql(table: SqliteTable, shape: RowShape): string {
  const set = written(shape).map((column) => {
    const [own, other] = table.binary.has(column) ? ['blob', 'text'] : ['text', 'blob'];
    return `${quote(column)} = case typeof(${quote(column)}) when '${other}' then cast(? as ${other}) else cast(? as ${own}) end`;
  });
  const id = shape.id.map((column) => `${idColumn(table, column)} = ?`);
  const unchanged = shape.columns.map(
    (column) =>
      `${stored(table, column)} collate binary is cast(? as ${table.binary.has(column) ? 'blob' : 'text'})`,
  );
  return `update ${quote(table.name)} as t set ${set} ${where([...id, ...unchanged])}`;
}

/** A row with NULL in its primary key has no row id: it is in no chunk, and the count shows that it is missing. */
export function predicates(table: SqliteTable, shape: RowShape, range: Range): string[] {
  const against = (name: string): Comparison[] =>
    shape.id.map((column, place) => (operator) => `${idColumn(table, column)} ${operator} @${name}${place}`);
  return [
    ...shape.id.map((column) => `t.${quote(column)} is not null`),
    ...(range.after === null ? [] : [isAfter(against('after'))]),
    ...(range.upTo === null ? [] : [isUpTo(against('upTo'))]),
  ];
}

export function bound(table: SqliteTable, shape: RowShape, range: Range): Record<string, SqliteValue> {
  const named = (name: string, id: RowId | null): [string, SqliteValue][] =>
    id === null ? [] : values(table, shape, id).map((value, place) => [`${name}${place}`, value]);
  return Object.fromEntries([...named('after', range.after), ...named('upTo', range.upTo)]);
}

export function values(table: SqliteTable, shape: RowShape, id: RowId): SqliteValue[] {
  return shape.id.map((column, place) => idValue(id[place] ?? '', table.affinities.get(column) ?? 'none'));
}

export function atLeastOne(limit: number): number {
  return Math.max(1, Math.floor(limit));
}

export function idOf(table: SqliteTable, shape: RowShape, row: readonly SqliteValue[]): string[] {
  return shape.id.map((column, place) => idText(row[place] ?? null, table.affinities.get(column) ?? 'none'));
}

export function toRow(table: SqliteTable, shape: RowShape, row: readonly SqliteValue[]): Row {
  return {
    id: idOf(table, shape, row),
    values: row
      .slice(shape.id.length, shape.id.length + shape.columns.length)
      .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : (value as string | null))),
  };
}

/** A letter and the columns of a row, as bytes in the encoding of the database. */
export function selectedBytes(table: SqliteTable, shape: RowShape): string {
  return ["'a'", ...shape.columns.map((column) => stored(table, column))]
    .map((text) => `cast(${text} as blob)`)
    .join(', ');
}

/** Values of the first columns of a shape as the driver binds them. */
export function storable(
  table: SqliteTable,
  shape: RowShape,
  values: readonly (string | null)[],
): (string | Buffer | null)[] {
  return values.map((value, place) => {
    if (value === null) return null;
    return table.binary.has(shape.columns[place] ?? '') ? Buffer.from(value, 'latin1') : encoded(value);
  });
}
