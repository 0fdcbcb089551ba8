import { createHash } from 'node:crypto';
import type { Range, RowShape } from '../database.ts';
import { type Comparison, isAfter, isUpTo } from '../keyset.ts';
import { missingColumn } from '../known-tables.ts';
import { written } from '../statement.ts';
import type { PostgresTable } from './catalog.ts';

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** ONLY: rows of inheriting tables belong to the targets of those tables. */
export function source(table: PostgresTable): string {
  return `${table.plain ? 'only ' : ''}${quote(table.name)} as t`;
}

/** Qualified, since ORDER BY prefers an output column of that name, and those are texts. */
export function idColumn(table: PostgresTable, column: string): string {
  const collation = table.types.get(column)?.collation;
  return collation ? `t.${quote(column)} collate ${collation}` : `t.${quote(column)}`;
}

export function isBinary(table: PostgresTable, column: string): boolean {
  return table.types.get(column)?.binary === true;
}

/** Their texts have only digits and a sign, and their order is that of max(). */
export function isWholeNumber(table: PostgresTable, column: string): boolean {
  return ['smallint', 'integer', 'bigint'].includes(table.types.get(column)?.cast ?? '');
}

/** Every type but bytes as text. Also jsonb: its text is a function of the stored value, so equal texts mean an unchanged value. */
export function value(table: PostgresTable, column: string): string {
  return isBinary(table, column) ? `t.${quote(column)}` : idText(column);
}

export function texts(table: PostgresTable, shape: RowShape): string {
  const selected = [...shape.id.map(idText), ...shape.columns.map((column) => value(table, column))];
  return selected.join(', ') || 'null';
}

function idText(column: string): string {
  return `t.${quote(column)}::text`;
}

export function compare(table: PostgresTable, column: string, text: string): Comparison {
  const type = table.types.get(column);
  if (type === undefined) throw missingColumn(table.name, column);
  return (operator) =>
    `${idColumn(table, column)} operator(${quote(type.operators)}.${operator}) ${text}::${type.cast}`;
}

export function predicates(table: PostgresTable, shape: RowShape, range: Range): string[] {
  const against = (first: number): Comparison[] =>
    shape.id.map((column, place) => compare(table, column, `$${first + place}`));
  return [
    ...(range.after === null ? [] : [isAfter(against(1))]),
    ...(range.upTo === null ? [] : [isUpTo(against(1 + (range.after?.length ?? 0)))]),
  ];
}

export function orderBy(table: PostgresTable, shape: RowShape): string {
  return `order by ${shape.id.map((column) => idColumn(table, column))}`;
}

/** A prepared statement that is worth keeping on its connection. */
export interface Prepared {
  readonly sql: string;
  readonly name: string;
}

/**
 * One statement for all rows of a chunk: several times as fast as a statement per row (bench/README.md). It returns no rows,
 * which would cost a microsecond each.
 */
export function writeStatement(table: PostgresTable, shape: RowShape): Prepared {
  const names = [
    ...shape.id.map((_, i) => `i${i}`),
    ...shape.columns.map((_, i) => `o${i}`),
    ...written(shape).map((_, i) => `n${i}`),
  ];
  const type = (column: string): string => (isBinary(table, column) ? 'bytea' : 'text');
  const types = [...shape.id.map(() => 'text'), ...shape.columns.map(type), ...written(shape).map(type)];
  const set = written(shape).map(
    (column, place) => `${quote(column)} = c.n${place}::${table.types.get(column)?.cast ?? 'text'}`,
  );
  const id = shape.id.map((column, place) => compare(table, column, `c.i${place}`)('='));
  const unchanged = shape.columns.map(
    (column, place) =>
      `${value(table, column)}${isBinary(table, column) ? '' : ' collate "C"'} is not distinct from c.o${place}`,
  );
  const sql = `update ${source(table)} set ${set}
    from unnest(${types.map((name, place) => `$${place + 1}::${name}[]`)}) as c(${names})
    where ${[...id, ...unchanged].join(' and ')}`;
  return { sql, name: `keyturn_${createHash('sha256').update(sql).digest('hex').slice(0, 24)}` };
}

/** Places, from 1, of the row ids whose rows this transaction has not written. xmin names the transaction that did. */
export function unwrittenSql(table: PostgresTable, shape: RowShape): string {
  const ids = shape.id.map((_, place) => `$${place + 1}::text[]`);
  const same = shape.id.map((column, place) => compare(table, column, `c.i${place}`)('='));
  return `select c.n from unnest(${ids}) with ordinality as c(${shape.id.map((_, place) => `i${place}`)}, n)
    where not exists (select from ${source(table)} where ${same.join(' and ')}
      and t.xmin = (txid_current() % 4294967296)::text::xid)`;
}
