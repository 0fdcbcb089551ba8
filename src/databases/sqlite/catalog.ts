import type { Database as Connection } from 'better-sqlite3';
import type { Column, Table } from '../database.ts';
import { ownTablesSql } from '../own-tables.ts';
import { type Affinity, affinityOf } from './id.ts';

export interface SqliteTable extends Table {
  /** Columns whose values are read and written as bytes. */
  readonly binary: ReadonlySet<string>;
  readonly affinities: ReadonlyMap<string, Affinity>;
  /** Of the row id's index, which may differ from the column's: only under it are the ids unique and in index order. */
  readonly collations: ReadonlyMap<string, string>;
}

interface TableRow {
  readonly name: string;
  readonly wr: 0 | 1;
  readonly strict: 0 | 1;
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly notnull: 0 | 1;
  /** https://www.sqlite.org/pragma.html#pragma_table_xinfo: 2 and 3 are generated columns. */
  readonly hidden: number;
  /** Place in the primary key, from 1. */
  readonly pk: number;
}

interface IndexRow {
  readonly name: string;
  readonly unique: 0 | 1;
  readonly partial: 0 | 1;
  readonly origin: 'c' | 'u' | 'pk';
}

interface Index extends IndexRow {
  /** Columns of the key; null: an expression. */
  readonly keys: readonly { readonly name: string | null; readonly coll: string }[];
}

/** Tables only: no views, no virtual or shadow tables. */
export function readCatalog(connection: Connection): Map<string, SqliteTable> {
  const tables = connection
    .prepare<[], TableRow>(
      `select name, wr, strict from pragma_table_list where schema = 'main' and type = 'table'
       and lower(name) not glob 'sqlite_*' and lower(name) not in (${ownTablesSql}) order by name`,
    )
    .all();
  return new Map(tables.map((table) => [table.name, describe(connection, table)]));
}

function describe(connection: Connection, table: TableRow): SqliteTable {
  const columns = connection
    .prepare<[string], ColumnRow>('select name, type, "notnull", hidden, pk from pragma_table_xinfo(?)')
    .all(table.name);
  const indexes = indexesOf(connection, table.name);
  const id = rowIdOf(table, columns, indexes);
  return {
    name: table.name,
    columns: columns.map((column) => toColumn(table, columns, column)),
    rowId: id.map(({ name }) => name),
    indexed: indexedOf(columns, indexes),
    unique: indexedOf(
      columns,
      indexes.filter((index) => index.unique === 1),
    ),
    triggers: triggersOf(connection, table.name),
    binary: new Set(columns.filter(({ type }) => holds(type) === 'binary').map(({ name }) => name)),
    affinities: new Map(columns.map(({ name, type }) => [name, affinityOf(type, table.strict === 1)])),
    collations: new Map(id.flatMap(({ name, coll }) => (coll === undefined ? [] : [[name, coll] as const]))),
  };
}

function indexesOf(connection: Connection, table: string): Index[] {
  const keys = connection.prepare<[string], { name: string | null; coll: string }>(
    'select name, coll from pragma_index_xinfo(?) where key order by seqno',
  );
  return connection
    .prepare<[string], IndexRow>(
      'select name, "unique", partial, origin from pragma_index_list(?) order by seq desc',
    )
    .all(table)
    .map((index) => ({ ...index, keys: keys.all(index.name) }));
}

/** SQLite allows NULL in a primary key (https://www.sqlite.org/lang_createtable.html, 3.5); such rows have no id. */
function rowIdOf(
  table: TableRow,
  columns: readonly ColumnRow[],
  indexes: readonly Index[],
): { name: string; coll?: string }[] {
  const primary = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
  if (
    primary.length === 1 &&
    table.wr === 0 &&
    primary[0]?.type.toUpperCase() === 'INTEGER' &&
    !indexes.some(({ origin }) => origin === 'pk')
  )
    return primary.map(({ name }) => ({ name }));
  const required = new Set(columns.filter((column) => column.notnull === 1).map(({ name }) => name));
  const usable =
    indexes.find(({ origin }) => origin === 'pk') ??
    indexes.find(
      ({ unique, partial, keys }) =>
        unique === 1 && partial === 0 && keys.every(({ name }) => name !== null && required.has(name)),
    );
  return (usable?.keys ?? []).map(({ name, coll }) => ({ name: name ?? '', coll }));
}

/** Columns of expressions and predicates are left out: SQLite has them only in the SQL of the index. */
function indexedOf(columns: readonly ColumnRow[], indexes: readonly Index[]): string[] {
  const keys = indexes.flatMap((index) => index.keys.map(({ name }) => name));
  return columns.filter(({ name, pk }) => pk > 0 || keys.includes(name)).map(({ name }) => name);
}

function toColumn(
  table: TableRow,
  columns: readonly ColumnRow[],
  { name, type, notnull, pk, hidden }: ColumnRow,
): Column {
  const rowidAlias =
    type.toUpperCase() === 'INTEGER' && columns.filter((column) => column.pk > 0).length === 1;
  const required = notnull === 1 || (pk > 0 && (table.wr === 1 || rowidAlias));
  // SQLite enforces no length: the 20 in varchar(20) has no effect
  const generated = hidden === 2 || hidden === 3;
  return { name, type, holds: holds(type), maxLength: null, nullable: !required, generated };
}

/** A declared type can be any word: `json`, `string` and `uuid` have NUMERIC affinity, and still hold text. */
function holds(type: string): Column['holds'] {
  if (/CHAR|CLOB|TEXT/i.test(type)) return 'text';
  if (/BLOB|BINARY|BYTEA/i.test(type)) return 'binary';
  return /INT|REAL|FLOA|DOUB|NUM|DEC|BOOL|DATE|TIME/i.test(type) ? 'other' : 'text';
}

/** SQLite has the event of a trigger only in its SQL. */
function triggersOf(connection: Connection, table: string): string[] {
  const found = connection
    .prepare<[string], { name: string; sql: string }>(
      `select name, sql from sqlite_schema where type = 'trigger' and tbl_name = ? collate nocase order by name`,
    )
    .all(table);
  return found.filter(({ sql }) => /\bupdate\b[\s\S]*?\bon\b/i.test(sql)).map(({ name }) => name);
}
