import type { Knex } from 'knex';
import type { Connection, ConnectionConfiguration } from 'tedious';
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
import { onConnection, onlyReading } from '../driver-connection.ts';
import { KnownTables } from '../known-tables.ts';
import type { Login } from '../login.ts';
import { rowBatches } from '../row-batches.ts';
import { type DriverRow, toRow, toRows, where, wholeNumber } from '../statement.ts';
import { assertSeen, assertWritten } from './access.ts';
import { type MssqlTable, readCatalog } from './catalog.ts';
import { mssqlFailures } from './failures.ts';
import { assertWithin, knexOver } from './knex.ts';
import { lockMssql } from './lock.ts';
import { ask, type Parameter, rowByRow, stage } from './request.ts';
import { MssqlServer } from './server.ts';
import { clientConfig, openPool, type Pool } from './session.ts';
import {
  boundStatement,
  bounds,
  changesStaged,
  contains,
  idsStaged,
  isBinary,
  orderBy,
  predicates,
  readStatement,
  size,
  source,
  texts,
  writeStatement,
} from './statement.ts';
import { mssqlTraits } from './traits.ts';
import { describeMssql, type MssqlUrl } from './url.ts';
import { widenColumn } from './widen.ts';

/** Rows of one UPDATE: at 5,000 locks, the locks of a statement are escalated to one on the table. */
const statementRows = 2_000;

export async function openMssql(url: MssqlUrl, login: Login): Promise<Database> {
  const config = clientConfig(url, login);
  return new MssqlDatabase(await openPool(url, config), config, url);
}

class MssqlDatabase implements Database {
  readonly place: string;
  readonly knex: Knex;
  readonly dialect = plainDialect;
  readonly failures = mssqlFailures;
  readonly traits = mssqlTraits;
  readonly server: MssqlServer;
  readonly batches = rowBatches(this, async (table, column) =>
    isBinary(await this.#tables.get(table), column),
  );
  readonly #pool: Pool;
  readonly #config: ConnectionConfiguration;
  readonly #schema: string;
  readonly #tables: KnownTables<MssqlTable>;
  readonly #ask = (sql: string, values: readonly Parameter[]): Promise<unknown[][]> =>
    this.#rows(sql, values);

  constructor(pool: Pool, config: ConnectionConfiguration, url: MssqlUrl) {
    this.place = describeMssql(url);
    this.#pool = pool;
    this.#config = config;
    this.#schema = url.schema;
    this.knex = knexOver(pool, url.schema);
    this.#tables = new KnownTables(this.place, () =>
      this.#session(undefined, (connection) => readCatalog(connection, url.schema)),
    );
    const judge = (sql: string) => onlyReading(this.knex, (trx) => this.#rows(sql, [], trx));
    this.server = new MssqlServer(this.#ask, judge, url.schema, this.#tables);
  }

  catalog(): Promise<readonly Table[]> {
    return this.#tables.refresh();
  }

  async count(table: string): Promise<number> {
    const of = await this.#seen({ table, id: [], columns: [] });
    const [row] = await this.#rows(`select count_big(*) from ${source(of)}`);
    return Number(row?.[0]);
  }

  async longest(table: string, column: string): Promise<number> {
    const of = await this.#seen({ table, id: [], columns: [column] });
    const [row] = await this.#rows(`select coalesce(max(${size(of, column)}), 0) from ${source(of)}`);
    return Number(row?.[0]);
  }

  async boundAfter(
    shape: RowShape,
    after: RowId | null,
    limit: { rows: number; bytes: number },
  ): Promise<RowId | null> {
    const table = await this.#seen(shape);
    const [row] = await this.#rows(boundStatement(table, shape, after, limit), after ?? []);
    return row === undefined ? null : (row as string[]);
  }

  async readRange(shape: RowShape, range: Range, limit?: number, skip = 0): Promise<Row[]> {
    const table = await this.#seen(shape);
    const page =
      limit === undefined
        ? ''
        : `offset ${wholeNumber(skip, 0)} rows fetch next ${wholeNumber(limit)} rows only`;
    const sql = `select ${texts(table, shape)}
      from ${source(table)} ${where(predicates(table, shape, range))} ${orderBy(shape)} ${page}`;
    return toRows(shape, (await this.#rows(sql, bounds(range))) as DriverRow[]);
  }

  async readAll(shape: RowShape, each: (row: Row) => void): Promise<void> {
    const table = await this.#seen(shape);
    const sql = `select ${texts(table, shape)} from ${source(table)}`;
    await this.#session(undefined, (connection) =>
      rowByRow(connection, sql, (row) => each(toRow(shape, row as DriverRow))),
    );
  }

  async readRows(shape: RowShape, ids: readonly RowId[], trx?: Transaction): Promise<Row[]> {
    if (ids.length === 0) return [];
    const table = await this.#seen(shape);
    return this.#session(trx, async (connection) => {
      await stage(connection, idsStaged(shape), ids);
      const { rows } = await ask(connection, readStatement(table, shape, trx !== undefined));
      return toRows(shape, rows as DriverRow[]);
    });
  }

  async write(trx: Transaction, shape: RowShape, changes: readonly Change[]): Promise<number[]> {
    if (changes.length === 0) return [];
    const table = await this.#seen(shape);
    const done = await this.#session(trx, async (connection) => {
      const written = new Set<number>();
      for (let first = 0; first < changes.length; first += statementRows) {
        const some = changes.slice(first, first + statementRows);
        await stage(
          connection,
          changesStaged(table, shape),
          some.map((change) => [...change.id, ...change.old, ...change.new.slice(0, shape.written)]),
        );
        const { rows } = await ask(connection, writeStatement(table, shape));
        for (const [n] of rows) written.add(first + Number(n));
        if (rows.length > 0) assertWritten(table.name, rows.length, Number(rows[0]?.[1]));
      }
      return written;
    });
    return changes.map((_, index) => index).filter((index) => !done.has(index));
  }

  transaction<T>(work: (trx: Transaction) => Promise<T>): Promise<T> {
    return this.knex.transaction(async (trx) => {
      const result = await work(trx);
      // After an error that `work` ignored, the transaction has ended, and a commit would not report that
      await this.#session(trx, async () => undefined);
      return result;
    });
  }

  async search(
    shape: RowShape,
    needles: readonly string[],
    after: RowId | null,
    limit: number,
  ): Promise<Row[]> {
    const table = await this.#seen(shape);
    const range = { after, upTo: null };
    const values = bounds(range);
    const hits = shape.columns
      .filter((column) => !isBinary(table, column))
      .flatMap((column) => contains(table, column, needles.length, values.length));
    const sql = `select top (${wholeNumber(limit)}) ${texts(table, shape)} from ${source(table)}
      ${where([...predicates(table, shape, range), `(${hits.join(' or ') || '1 = 0'})`])} ${orderBy(shape)}`;
    const rows = await this.#rows(sql, [...values, ...(hits.length === 0 ? [] : needles)]);
    return toRows(shape, rows as DriverRow[]);
  }

  lockRun(): Promise<RunLock> {
    return lockMssql(this.#config, this.#schema, this.place);
  }

  widen(table: string, column: string, length: number): Promise<void> {
    return widenColumn(this.#ask, this.#schema, table, column, length);
  }

  async close(): Promise<void> {
    await this.knex.destroy();
    await this.#pool.close();
  }

  async #seen({ table, id, columns }: Pick<RowShape, 'table' | 'id' | 'columns'>): Promise<MssqlTable> {
    const found = await this.#tables.get(table);
    assertSeen(found, [...id, ...columns]);
    return found;
  }

  async #rows(sql: string, values: readonly Parameter[] = [], trx?: Transaction): Promise<unknown[][]> {
    return (await this.#session(trx, (connection) => ask(connection, sql, values))).rows;
  }

  async #session<T>(trx: Transaction | undefined, work: (connection: Connection) => Promise<T>): Promise<T> {
    return onConnection(this.knex, trx, async (connection: Connection) => {
      assertWithin(connection, trx !== undefined);
      return work(connection);
    });
  }
}
