import type { Knex } from 'knex';
import type { Connection } from 'mysql2';
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
import { onConnection, onlyReading } from '../driver-connection.ts';
import { KnownTables } from '../known-tables.ts';
import type { Login } from '../login.ts';
import { rowBatches } from '../row-batches.ts';
import { type DriverRow, toRow, toRows, where, wholeNumber } from '../statement.ts';
import { type Ask, type MysqlTable, readCatalog } from './catalog.ts';
import { mysqlKnex, nameOf, rowByRow, run } from './connection.ts';
import { mysqlDialect } from './dialect.ts';
import { withoutValues } from './error.ts';
import { mysqlFailures } from './failures.ts';
import { idText } from './id.ts';
import { lockMysql } from './lock.ts';
import { MysqlServer } from './server.ts';
import { connectable, type ReachedServer } from './session.ts';
import {
  bytes,
  idColumn,
  isBinary,
  lengthOf,
  orderBy,
  predicates,
  readRowsSql,
  rowLock,
  source,
  texts,
  typeOf,
  value,
} from './statement.ts';
import { mysqlTraits } from './traits.ts';
import { describeMysql, type MysqlUrl } from './url.ts';
import { wholeRows } from './whole-rows.ts';
import { widenColumn } from './widen.ts';
import { writeChanges } from './write.ts';

export async function openMysql(url: MysqlUrl, login: Login): Promise<Database> {
  return new MysqlDatabase(await connectable(url, login), describeMysql(url));
}

/** MySQL and MariaDB. */
class MysqlDatabase implements Database {
  readonly place: string;
  readonly knex: Knex;
  readonly dialect = mysqlDialect;
  readonly failures = mysqlFailures;
  readonly traits = mysqlTraits;
  readonly server: MysqlServer;
  readonly batches = rowBatches(this, async (table, column) =>
    isBinary(await this.#tables.get(table), column),
  );
  readonly #server: ReachedServer;
  /** The last failure of a statement by connection: its transaction must not be committed. */
  readonly #failed = new Map<string, unknown>();
  readonly #tables: KnownTables<MysqlTable>;
  readonly #ask: Ask = async (sql, values) =>
    (await this.#rows(sql, values)).map((row) => row.map((cell) => (cell === null ? null : String(cell))));

  constructor(server: ReachedServer, place: string) {
    this.place = place;
    this.#server = server;
    this.knex = mysqlKnex(server, (connection, error) => this.#failed.set(connection, error));
    this.#tables = new KnownTables(place, () => readCatalog(this.#ask));
    const judge = (sql: string) => onlyReading(this.knex, (trx) => this.#rows(sql, undefined, trx));
    const prepare = (sql: string) => this.#prepare(sql);
    this.server = new MysqlServer(this.#ask, judge, prepare, this.#tables, server.mariadb);
  }

  catalog(): Promise<readonly Table[]> {
    return this.#tables.refresh();
  }

  async count(table: string): Promise<number> {
    const [row] = await this.#rows(`select count(*) from ${source(await this.#tables.get(table))}`);
    return Number(row?.[0]);
  }

  async longest(table: string, column: string): Promise<number> {
    const of = await this.#tables.get(table);
    const [row] = await this.#rows(`select coalesce(max(${lengthOf(of, column)}), 0) from ${source(of)}`);
    return Number(row?.[0]);
  }

  async boundAfter(
    shape: RowShape,
    after: RowId | null,
    limit: { rows: number; bytes: number },
  ): Promise<RowId | null> {
    const table = await this.#tables.get(shape.table);
    const keys = shape.id.map((_, place) => `k${place}`);
    const size =
      shape.columns.map((column) => `coalesce(octet_length(${value(table, column)}), 0)`).join(' + ') || '0';
    const { conditions, values } = predicates(table, shape, { after, upTo: null });
    // The innermost query limits the rows, so that the window functions see only those, however large the table is
    const sql = `select ${shape.id.map((column, place) => idText(typeOf(table, column), `k${place}`))} from (
      select ${keys}, row_number() over (order by ${keys}) as n,
        sum(size) over (order by ${keys} rows unbounded preceding) as bytes from (
        select ${shape.id.map((column, place) => `${idColumn(column)} as k${place}`)}, ${size} as size
        from ${source(table)} ${where(conditions)}
        order by ${shape.id.map(idColumn)} limit ${wholeNumber(limit.rows)}) chunk) bounded
      where n = 1 or bytes <= ${wholeNumber(limit.bytes)} order by n desc limit 1`;
    const [row] = await this.#rows(sql, values);
    return row === undefined ? null : (row as string[]);
  }

  async readRange(shape: RowShape, range: Range, limit?: number, skip = 0): Promise<Row[]> {
    const table = await this.#tables.get(shape.table);
    const { conditions, values } = predicates(table, shape, range);
    const sql = `select ${texts(table, shape)} from ${source(table)} ${where(conditions)}
      ${orderBy(shape)} ${limit === undefined ? '' : `limit ${wholeNumber(limit)} offset ${wholeNumber(skip, 0)}`}`;
    return wholeRows(table, shape, toRows(shape, await this.#rows(sql, values)));
  }

  async readAll(shape: RowShape, each: (row: Row) => void): Promise<void> {
    const table = await this.#tables.get(shape.table);
    const sql = `select ${texts(table, shape)} from ${source(table)}`;
    await this.#session(undefined, (connection) =>
      rowByRow(connection, sql, (row) => {
        wholeRows(table, shape, [toRow(shape, row)]).forEach(each);
      }),
    );
  }

  async readRows(shape: RowShape, ids: readonly RowId[], trx?: Transaction): Promise<Row[]> {
    if (ids.length === 0) return [];
    const table = await this.#tables.get(shape.table);
    const sql = readRowsSql(table, shape, trx === undefined ? null : rowLock(this.#server.mariadb));
    return wholeRows(table, shape, toRows(shape, await this.#rows(sql, [JSON.stringify(ids)], trx)));
  }

  async write(trx: Transaction, shape: RowShape, changes: readonly Change[]): Promise<number[]> {
    const table = await this.#tables.get(shape.table);
    const { maxPacket, mariadb } = this.#server;
    return this.#session(trx, (connection) =>
      writeChanges((sql, values) => run(connection, sql, values), {
        table,
        shape,
        changes,
        maxPacket,
        lock: rowLock(mariadb),
      }),
    );
  }

  /**
   * A failed statement ends the transaction. A deadlock has rolled back all of it, so that every later statement would
   * commit by itself; a lock wait that timed out has rolled back only its statement.
   */
  transaction<T>(work: (trx: Transaction) => Promise<T>): Promise<T> {
    return this.knex.transaction(async (trx) => {
      const name = await onConnection(this.knex, trx, nameOf);
      this.#failed.delete(name);
      const result = await work(trx);
      const cause = this.#failed.get(name);
      if (cause !== undefined) throw new Error('a statement in the transaction failed', { cause });
      return result;
    });
  }

  async search(
    shape: RowShape,
    needles: readonly string[],
    after: RowId | null,
    limit: number,
  ): Promise<Row[]> {
    const table = await this.#tables.get(shape.table);
    const range: Range = { after, upTo: null };
    const { conditions, values } = predicates(table, shape, range);
    const searched = table.columns.filter(({ name }) => shape.columns.includes(name));
    const hits = searched.flatMap(({ name }) =>
      needles.map(() => `instr(${bytes(table, name)}, cast(? as binary)) > 0`),
    );
    const sql = `select ${texts(table, shape)} from ${source(table)}
      ${where([...conditions, `(${hits.join(' or ') || 'false'})`])} ${orderBy(shape)} limit ${wholeNumber(limit)}`;
    return wholeRows(
      table,
      shape,
      toRows(shape, await this.#rows(sql, [...values, ...searched.flatMap(() => needles)])),
    );
  }

  lockRun(): Promise<RunLock> {
    return lockMysql(this.#server, this.place);
  }

  widen(table: string, column: string, length: number): Promise<void> {
    return widenColumn(this.#ask, table, column, length);
  }

  async close(): Promise<void> {
    await this.knex.destroy();
  }

  /** Lets the server check a statement without running it. */
  #prepare(sql: string): Promise<void> {
    return this.#session(undefined, async (connection) => {
      await (await connection.promise().prepare(sql)).close();
      connection.unprepare(sql);
    });
  }

  async #rows(sql: string, values?: readonly string[], trx?: Transaction): Promise<DriverRow[]> {
    return (await this.#session(trx, (connection) => run(connection, sql, values))).rows;
  }

  async #session<T>(trx: Transaction | undefined, work: (connection: Connection) => Promise<T>): Promise<T> {
    return onConnection(this.knex, trx, async (connection: Connection) => {
      try {
        return await work(connection);
      } catch (error) {
        const failure = withoutValues(error);
        this.#failed.set(nameOf(connection), failure);
        throw failure;
      }
    });
  }
}
