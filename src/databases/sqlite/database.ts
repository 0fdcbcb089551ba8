import type SqliteConnection from 'better-sqlite3';
import type { Knex } from 'knex';
import type {
  Change,
  Database,
  Range,
  Row,
  RowId,
  RowShape,
  RunLock,
  Table,
  Transaction,
} from '../database.ts';
import { plainDialect } from '../dialect.ts';
import { onConnection, transactionOver } from '../driver-connection.ts';
import { asTable, missingTable } from '../known-tables.ts';
import { rowBatches } from '../row-batches.ts';
import { where } from '../statement.ts';
import { readCatalog, type SqliteTable } from './catalog.ts';
import { read, sqliteKnex, unlessBusy } from './connection.ts';
import { assertExactId, exactRow } from './exact.ts';
import { sqliteFailures } from './failures.ts';
import { existingFile, fileRefusal } from './file.ts';
import { lockSqlite } from './lock.ts';
import { SqliteHost } from './server.ts';
import {
  atLeastOne,
  bound,
  idColumn,
  idOf,
  order,
  orderBy,
  predicates,
  quote,
  selected,
  storable,
  stored,
  toRow,
  values,
  writeSql,
} from './statement.ts';
import { sqliteTraits } from './traits.ts';
import { describeSqlite, type SqliteUrl } from './url.ts';

export async function openSqlite(url: SqliteUrl, create: boolean): Promise<Database> {
  const path = await existingFile(url.path, create);
  const database = new SqliteDatabase(path);
  try {
    await database.check();
    return database;
  } catch (error) {
    await database.close();
    throw fileRefusal(error, database.place);
  }
}

/**
 * There is one connection: while a transaction is open, everything else waits for its end. The driver is synchronous: a
 * statement stops the event loop.
 */
class SqliteDatabase implements Database {
  readonly place: string;
  readonly knex: Knex;
  readonly dialect = plainDialect;
  readonly failures = sqliteFailures;
  readonly traits = sqliteTraits;
  readonly server: SqliteHost;
  readonly batches = rowBatches(this, (table, column) =>
    this.#session(undefined, (connection) => this.#table(connection, table).binary.has(column)),
  );
  readonly #path: string;
  #tables: Map<string, SqliteTable> | undefined;

  constructor(path: string) {
    this.place = describeSqlite({ path });
    this.#path = path;
    this.knex = sqliteKnex(path);
    this.server = new SqliteHost(path, (sql) =>
      this.#session(undefined, (connection) => judge(connection, sql)),
    );
  }

  /** The header of the file is read only by the first statement that needs it. */
  async check(): Promise<void> {
    await this.#session(undefined, (connection) =>
      connection.prepare('select count(*) from sqlite_schema').get(),
    );
  }

  async catalog(): Promise<readonly Table[]> {
    this.#tables = undefined;
    return this.#session(undefined, (connection) => [...this.#catalog(connection).values()].map(asTable));
  }

  async count(table: string): Promise<number> {
    return this.#session(undefined, (connection) => {
      const { name } = this.#table(connection, table);
      return connection
        .prepare(`select count(*) from ${quote(name)}`)
        .pluck()
        .get() as number;
    });
  }

  async longest(table: string, column: string): Promise<number> {
    return this.#session(undefined, (connection) => {
      const of = this.#table(connection, table);
      const sql = `select coalesce(max(length(${stored(of, column)})), 0) from ${quote(of.name)} as t`;
      return connection.prepare(sql).pluck().get() as number;
    });
  }

  async boundAfter(
    shape: RowShape,
    after: RowId | null,
    limit: { rows: number; bytes: number },
  ): Promise<RowId | null> {
    return this.#session(undefined, (connection) => {
      const table = this.#table(connection, shape.table);
      const keys = shape.id.map((_, place) => `k${place}`);
      const size =
        shape.columns.map((column) => `coalesce(octet_length(t.${quote(column)}), 0)`).join(' + ') || '0';
      // The innermost query limits the rows, so that the window functions see only those, however large the table is
      const sql = `select ${keys} from (
        select ${keys}, row_number() over w as n, sum(size) over w as bytes from (
          select ${shape.id.map((column, place) => `t.${quote(column)} as k${place}`)}, ${size} as size
          from ${quote(table.name)} as t ${where(predicates(table, shape, { after, upTo: null }))} order by ${order(table, shape)} limit @rows)
        window w as (order by ${order(table, shape, keys)} rows unbounded preceding))
        where n = 1 or bytes <= @bytes order by n desc limit 1`;
      const row = read(connection, sql).get({
        ...bound(table, shape, { after, upTo: null }),
        rows: atLeastOne(limit.rows),
        bytes: limit.bytes,
      });
      if (row === undefined) return null;
      const id = idOf(table, shape, row);
      assertExactId(connection, table, shape, id);
      return id;
    });
  }

  async readRange(shape: RowShape, range: Range, limit?: number, skip = 0): Promise<Row[]> {
    return this.#session(undefined, (connection) => {
      const table = this.#table(connection, shape.table);
      const sql = `select ${selected(table, shape)} from ${quote(table.name)} as t ${where(predicates(table, shape, range))}
        ${orderBy(table, shape)} limit @rows offset @skip`;
      const rows = read(connection, sql).all({
        ...bound(table, shape, range),
        skip,
        rows: limit === undefined ? -1 : atLeastOne(limit),
      });
      return rows.map((row) => exactRow(connection, table, shape, toRow(table, shape, row)));
    });
  }

  async readAll(shape: RowShape, each: (row: Row) => void): Promise<void> {
    await this.#session(undefined, (connection) => {
      const table = this.#table(connection, shape.table);
      const sql = `select ${selected(table, shape)} from ${quote(table.name)} as t`;
      for (const row of read(connection, sql).iterate()) each(toRow(table, shape, row));
    });
  }

  async readRows(shape: RowShape, ids: readonly RowId[], trx?: Transaction): Promise<Row[]> {
    return this.#session(trx, (connection) => {
      const table = this.#table(connection, shape.table);
      const same = shape.id.map((column) => `${idColumn(table, column)} = ?`);
      const statement = read(
        connection,
        `select ${selected(table, shape)} from ${quote(table.name)} as t ${where(same)}`,
      );
      const found = ids.map((id) => statement.get(...values(table, shape, id)));
      return found
        .filter((row) => row !== undefined)
        .map((row) => exactRow(connection, table, shape, toRow(table, shape, row)));
    });
  }

  async write(trx: Transaction, shape: RowShape, changes: readonly Change[]): Promise<number[]> {
    return this.#session(trx, (connection) => {
      const table = this.#table(connection, shape.table);
      const statement = connection.prepare(writeSql(table, shape));
      return changes.flatMap((change, index) => {
        const set = storable(table, shape, change.new.slice(0, shape.written)).flatMap((value) => [
          value,
          value,
        ]);
        const old = storable(table, shape, change.old);
        return statement.run(...set, ...values(table, shape, change.id), ...old).changes === 0 ? [index] : [];
      });
    });
  }

  transaction<T>(work: (trx: Transaction) => Promise<T>): Promise<T> {
    return this.knex.transaction(work);
  }

  async search(
    shape: RowShape,
    needles: readonly string[],
    after: RowId | null,
    limit: number,
  ): Promise<Row[]> {
    return this.#session(undefined, (connection) => {
      const table = this.#table(connection, shape.table);
      const range: Range = { after, upTo: null };
      // Two blobs are compared by their bytes
      const hits = shape.columns.flatMap((column) =>
        needles.map((_, place) => {
          const needle = table.binary.has(column) ? `cast(@needle${place} as blob)` : `@needle${place}`;
          return `instr(${stored(table, column)}, ${needle}) > 0`;
        }),
      );
      const sql = `select ${selected(table, shape)} from ${quote(table.name)} as t
        ${where([...predicates(table, shape, range), `(${hits.join(' or ') || 'false'})`])} ${orderBy(table, shape)} limit @rows`;
      const wanted = Object.fromEntries(needles.map((needle, place) => [`needle${place}`, needle]));
      const rows = read(connection, sql).all({
        ...bound(table, shape, range),
        ...wanted,
        rows: atLeastOne(limit),
      });
      return rows.map((row) => exactRow(connection, table, shape, toRow(table, shape, row)));
    });
  }

  /** Also begins a transaction: an application that keeps the file locked is reported before a run writes anything. */
  async lockRun(): Promise<RunLock> {
    const lock = await lockSqlite(this.#path, this.place);
    try {
      await this.transaction(async () => undefined);
      return lock;
    } catch (error) {
      await lock.release();
      throw fileRefusal(error, this.place);
    }
  }

  async widen(): Promise<void> {}

  async close(): Promise<void> {
    await this.knex.destroy();
  }

  #catalog(connection: SqliteConnection.Database): Map<string, SqliteTable> {
    this.#tables ??= readCatalog(connection);
    return this.#tables;
  }

  #table(connection: SqliteConnection.Database, name: string): SqliteTable {
    const table = this.#catalog(connection).get(name);
    if (table === undefined) throw missingTable(name, this.place);
    return table;
  }

  #session<T>(trx: Transaction | undefined, work: (connection: SqliteConnection.Database) => T): Promise<T> {
    return onConnection(this.knex, trx, (connection: SqliteConnection.Database) => {
      // SQLite may have rolled back by itself; a statement would then run, and commit, on its own
      if (trx !== undefined && !connection.inTransaction) throw transactionOver();
      return trx === undefined ? unlessBusy(() => work(connection)) : work(connection);
    });
  }
}

/** The first column of the first row of a query of the operator's, which must change nothing. */
function judge(connection: SqliteConnection.Database, sql: string): unknown {
  connection.pragma('query_only = on');
  try {
    return connection.prepare(sql).pluck().get();
  } finally {
    connection.pragma('query_only = off');
  }
}
