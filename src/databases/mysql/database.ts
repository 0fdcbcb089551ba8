import type { Knex } from 'knex';
import { KeyturnError } from '../../error.ts';
import type {
  Change,
  Database,
  Privileges,
  Range,
  Row,
  RowId,
  RowShape,
  RunLock,
  Session,
  Table,
  Transaction,
} from '../database.ts';
import { describeUrl, type MysqlUrl } from '../database-url.ts';
import { type Gauges, saysYes } from '../gauge.ts';
import type { Login } from '../login.ts';
import { type Texts, told, toRow, toRows, where, wholeNumber } from '../statement.ts';
import { type Ask, type MysqlTable, readCatalog } from './catalog.ts';
import { type Held, mysqlKnex, rowByRow, run } from './connection.ts';
import { isDeniedMysql, isTimeoutMysql, withoutValues } from './error.ts';
import { isTransientMysql } from './failures.ts';
import { mysqlGauges } from './gauges.ts';
import { idText } from './id.ts';
import { lockMysql } from './lock.ts';
import { privilegesOf, sessionsOf, warningsOf } from './server.ts';
import { connectable, type MysqlServer } from './session.ts';
import {
  bytes,
  idColumn,
  lengthOf,
  orderBy,
  predicates,
  readRowsSql,
  source,
  texts,
  typeOf,
  value,
} from './statement.ts';
import { widenColumn } from './widen.ts';
import { assertTransacted, writeChanges } from './write.ts';

export async function openMysql(url: MysqlUrl, login: Login): Promise<Database> {
  return new MysqlDatabase(await connectable(url, login), describeUrl(url));
}

/**
 * MySQL and MariaDB. Statements go to the driver itself and not through `knex.raw`: there a `?` in an identifier is a
 * binding, and bindings are put into the statement's text.
 */
class MysqlDatabase implements Database {
  readonly engine = 'mysql';
  readonly place: string;
  readonly knex: Knex;
  readonly #server: MysqlServer;
  /** The first failure of a statement, by the connection: its transaction must not be committed. */
  readonly #failures = new Map<string, unknown>();
  #tables: Promise<Map<string, MysqlTable>> | undefined;
  readonly #ask: Ask = async (sql, values) =>
    (await this.#rows(sql, values)).map((row) => row.map((cell) => (cell === null ? null : String(cell))));

  constructor(server: MysqlServer, place: string) {
    this.place = place;
    this.#server = server;
    this.knex = mysqlKnex(server, (connection, error) => this.#failures.set(connection, error));
  }

  async catalog(): Promise<readonly Table[]> {
    this.#tables = undefined;
    return [...(await this.#catalog()).values()].map(told);
  }

  async count(table: string): Promise<number> {
    const [row] = await this.#rows(`select count(*) from ${source(await this.#table(table))}`);
    return Number(row?.[0]);
  }

  async longest(table: string, column: string): Promise<number> {
    const of = await this.#table(table);
    const [row] = await this.#rows(`select coalesce(max(${lengthOf(of, column)}), 0) from ${source(of)}`);
    return Number(row?.[0]);
  }

  async boundAfter(
    shape: RowShape,
    after: RowId | null,
    limit: { rows: number; bytes: number },
  ): Promise<RowId | null> {
    const table = await this.#table(shape.table);
    const keys = shape.id.map((_, place) => `k${place}`);
    const size =
      shape.columns.map((column) => `coalesce(octet_length(${value(table, column)}), 0)`).join(' + ') || '0';
    const { conditions, values } = predicates(table, shape, { after, upTo: null });
    // The row limit comes first: the window functions never see more rows, however large the table
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

  async readRange(shape: RowShape, range: Range, limit?: number): Promise<Row[]> {
    const table = await this.#table(shape.table);
    const { conditions, values } = predicates(table, shape, range);
    const sql = `select ${texts(table, shape)} from ${source(table)} ${where(conditions)}
      ${orderBy(shape)} ${limit === undefined ? '' : `limit ${wholeNumber(limit)}`}`;
    return toRows(shape, await this.#rows(sql, values));
  }

  async readAll(shape: RowShape, each: (row: Row) => void): Promise<void> {
    const table = await this.#table(shape.table);
    const sql = `select ${texts(table, shape)} from ${source(table)}`;
    await this.#session(undefined, (connection) =>
      rowByRow(connection, sql, (row) => each(toRow(shape, row))),
    );
  }

  async readRows(shape: RowShape, ids: readonly RowId[], trx?: Transaction): Promise<Row[]> {
    if (ids.length === 0) return [];
    const sql = readRowsSql(await this.#table(shape.table), shape, trx !== undefined);
    return toRows(shape, await this.#rows(sql, [JSON.stringify(ids)], trx));
  }

  async write(trx: Transaction, shape: RowShape, changes: readonly Change[]): Promise<number[]> {
    const table = await this.#table(shape.table);
    const { maxPacket } = this.#server;
    return this.#session(trx, (connection) =>
      writeChanges((sql, values) => run(connection, sql, values), { table, shape, changes, maxPacket }),
    );
  }

  /**
   * A failed statement ends the transaction: a deadlock has rolled back all of it, after which every statement would
   * commit by itself, and a lock that was waited for in vain has rolled back that statement alone.
   */
  transaction<T>(work: (trx: Transaction) => Promise<T>): Promise<T> {
    return this.knex.transaction(async (trx) => {
      const { __knexUid: uid } = (await trx.client.acquireConnection()) as Held;
      this.#failures.delete(uid);
      const result = await work(trx);
      const cause = this.#failures.get(uid);
      if (cause !== undefined) throw new Error('a statement of the transaction failed', { cause });
      return result;
    });
  }

  async search(
    shape: RowShape,
    needles: readonly string[],
    after: RowId | null,
    limit: number,
  ): Promise<Row[]> {
    const table = await this.#table(shape.table);
    const range: Range = { after, upTo: null };
    const { conditions, values } = predicates(table, shape, range);
    const searched = table.columns.filter(
      ({ name, holds }) => shape.columns.includes(name) && holds !== 'binary',
    );
    const hits = searched.flatMap(({ name }) =>
      needles.map(() => `instr(${bytes(table, name)}, cast(? as binary)) > 0`),
    );
    const sql = `select ${texts(table, shape)} from ${source(table)}
      ${where([...conditions, `(${hits.join(' or ') || 'false'})`])} ${orderBy(shape)} limit ${wholeNumber(limit)}`;
    return toRows(shape, await this.#rows(sql, [...values, ...searched.flatMap(() => needles)]));
  }

  lockRun(): Promise<RunLock> {
    return lockMysql(this.#server, this.place);
  }

  async privileges(tables: readonly string[]): Promise<Privileges> {
    const known = await this.#catalog();
    for (const name of tables) assertTransacted(known.get(name) ?? { name, untransacted: null });
    const prepare = (sql: string): Promise<void> =>
      this.#session(undefined, async (connection) => {
        await (await connection.promise().prepare(sql)).close();
        connection.unprepare(sql);
      });
    return privilegesOf(
      this.#ask,
      prepare,
      this.#server.mariadb,
      new Map(tables.map((name) => [name, known.get(name)])),
    );
  }

  sessions(): Promise<Session[] | null> {
    return sessionsOf(this.#ask);
  }

  warnings(tables: readonly string[]): Promise<string[]> {
    return warningsOf(this.#ask, tables);
  }

  widen(table: string, column: string, length: number): Promise<void> {
    return widenColumn(this.#ask, table, column, length);
  }

  isTransient(error: unknown): boolean {
    return isTransientMysql(error);
  }

  isDenied(error: unknown): boolean {
    return isDeniedMysql(error);
  }

  isTimeout(error: unknown): boolean {
    return isTimeoutMysql(error);
  }

  get gauges(): Gauges {
    return mysqlGauges(this.#ask);
  }

  async ask(sql: string): Promise<boolean> {
    const [row] = await this.#rows(sql);
    return saysYes(row?.[0]);
  }

  async close(): Promise<void> {
    await this.knex.destroy();
  }

  #catalog(): Promise<Map<string, MysqlTable>> {
    const reading = this.#tables ?? readCatalog(this.#ask);
    this.#tables = reading;
    reading.catch(() => {
      if (this.#tables === reading) this.#tables = undefined;
    });
    return reading;
  }

  async #table(name: string): Promise<MysqlTable> {
    const table = (await this.#catalog()).get(name);
    if (table === undefined)
      throw new KeyturnError('database-missing', `there is no table ${name} in ${this.place}`, {
        facts: { table: name },
      });
    return table;
  }

  async #rows(sql: string, values?: readonly string[], trx?: Transaction): Promise<Texts[]> {
    return (await this.#session(trx, (connection) => run(connection, sql, values))).rows;
  }

  async #session<T>(trx: Transaction | undefined, work: (connection: Held) => Promise<T>): Promise<T> {
    // knex calls a transaction's work even after a failed BEGIN; a statement would then run, and commit, on its own
    if (trx?.isCompleted()) throw new Error('the transaction is over, or never began');
    const client = (trx ?? this.knex).client;
    const connection: Held = await client.acquireConnection();
    try {
      return await work(connection);
    } catch (error) {
      const failure = withoutValues(error);
      this.#failures.set(connection.__knexUid, failure);
      throw failure;
    } finally {
      if (trx === undefined) client.releaseConnection(connection);
    }
  }
}
