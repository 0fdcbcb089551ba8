import knex, { type Knex } from 'knex';
import type pg from 'pg';
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
import { onConnection } from '../driver-connection.ts';
import { KnownTables } from '../known-tables.ts';
import type { Login } from '../login.ts';
import { quietKnex } from '../quiet-knex.ts';
import { type DriverRow, toRow, toRows, where, wholeNumber, written } from '../statement.ts';
import { arrayParameter } from './array.ts';
import { type PostgresTable, readCatalog } from './catalog.ts';
import { postgresFailures } from './failures.ts';
import { lockPostgres } from './lock.ts';
import { rowByRow } from './rows.ts';
import { PostgresServer } from './server.ts';
import { connectable, prepareSession } from './session.ts';
import {
  compare,
  idColumn,
  isBinary,
  orderBy,
  predicates,
  source,
  texts,
  value,
  writeStatement,
} from './statement.ts';
import { postgresTraits } from './traits.ts';
import { describePostgres, type PostgresUrl } from './url.ts';
import { widenColumn } from './widen.ts';

export async function openPostgres(url: PostgresUrl, login: Login): Promise<Database> {
  return new PostgresDatabase(await connectable(url, login), url);
}

class PostgresDatabase implements Database {
  readonly place: string;
  readonly knex: Knex;
  readonly dialect = plainDialect;
  readonly failures = postgresFailures;
  readonly traits = postgresTraits;
  readonly server: PostgresServer;
  readonly #config: pg.ClientConfig;
  readonly #schema: string;
  readonly #tables: KnownTables<PostgresTable>;
  readonly #ask = async (sql: string, values: readonly unknown[]): Promise<(string | null)[][]> =>
    (await this.#rows(sql, values)) as (string | null)[][];

  constructor(config: pg.ClientConfig, url: PostgresUrl) {
    this.place = describePostgres(url);
    this.#config = config;
    this.#schema = url.schema;
    this.knex = knex({
      client: 'pg',
      connection: config as Knex.PgConnectionConfig,
      searchPath: [url.schema],
      ...quietKnex,
      acquireConnectionTimeout: 30_000,
      pool: { min: 0, max: 4, afterCreate: prepareSession(config) },
    });
    this.knex.on('query-error', withoutRow);
    this.server = new PostgresServer(this.#ask, this.knex, url.schema);
    this.#tables = new KnownTables(this.place, () =>
      this.#session(undefined, (client) => readCatalog(client, url.schema)),
    );
  }

  catalog(): Promise<readonly Table[]> {
    return this.#tables.refresh();
  }

  async count(table: string): Promise<number> {
    const [row] = await this.#rows(`select count(*)::text from ${source(await this.#tables.get(table))}`, []);
    return Number(row?.[0]);
  }

  async longest(table: string, column: string): Promise<number> {
    const of = await this.#tables.get(table);
    const [row] = await this.#rows(
      `select coalesce(max(length(${value(of, column)})), 0) from ${source(of)}`,
      [],
    );
    return Number(row?.[0]);
  }

  async boundAfter(
    shape: RowShape,
    after: RowId | null,
    limit: { rows: number; bytes: number },
  ): Promise<RowId | null> {
    const table = await this.#tables.get(shape.table);
    const id = shape.id.map((column) => idColumn(table, column));
    const keys = id.map((_, place) => `k${place}`);
    const size =
      shape.columns.map((column) => `coalesce(octet_length(${value(table, column)}), 0)`).join(' + ') || '0';
    // The innermost query limits the rows, so that the window functions see only those, however large the table is
    const sql = `select ${keys.map((key) => `${key}::text`)} from (
      select ${keys}, row_number() over w as n, sum(size) over w as bytes from (
        select ${id.map((column, place) => `${column} as k${place}`)}, (${size})::bigint as size
        from ${source(table)} ${where(predicates(table, shape, { after, upTo: null }))}
        order by ${id} limit ${wholeNumber(limit.rows)}) chunk
      window w as (order by ${keys} rows unbounded preceding)) bounded
      where n = 1 or bytes <= ${wholeNumber(limit.bytes)} order by n desc limit 1`;
    const [row] = await this.#rows(sql, [...(after ?? [])]);
    return row === undefined ? null : (row as string[]);
  }

  async readRange(shape: RowShape, range: Range, limit?: number, skip = 0): Promise<Row[]> {
    const table = await this.#tables.get(shape.table);
    const sql = `select ${texts(table, shape)} from ${source(table)} ${where(predicates(table, shape, range))}
      ${orderBy(table, shape)} ${limit === undefined ? '' : `limit ${wholeNumber(limit)} offset ${wholeNumber(skip, 0)}`}`;
    return toRows(shape, await this.#rows(sql, [...(range.after ?? []), ...(range.upTo ?? [])]));
  }

  async readAll(shape: RowShape, each: (row: Row) => void): Promise<void> {
    const table = await this.#tables.get(shape.table);
    const text = `select ${texts(table, shape)} from ${source(table)}`;
    await this.#session(undefined, (client) => rowByRow(client, text, (row) => each(toRow(shape, row))));
  }

  async readRows(shape: RowShape, ids: readonly RowId[], trx?: Transaction): Promise<Row[]> {
    if (ids.length === 0) return [];
    const table = await this.#tables.get(shape.table);
    const wanted = shape.id.map((_, place) => `$${place + 1}::text[]`);
    const same = shape.id.map((column, place) => compare(table, column, `w.i${place}`)('='));
    // In id order, so that two transactions cannot deadlock
    const sql = `select ${texts(table, shape)} from ${source(table)}
      join unnest(${wanted}) as w(${shape.id.map((_, place) => `i${place}`)}) on ${same.join(' and ')}
      ${orderBy(table, shape)} ${trx ? 'for update of t' : ''}`;
    return toRows(
      shape,
      await this.#rows(
        sql,
        shape.id.map((_, place) => ids.map((id) => id[place])),
        trx,
      ),
    );
  }

  async write(trx: Transaction, shape: RowShape, changes: readonly Change[]): Promise<number[]> {
    if (changes.length === 0) return [];
    const table = await this.#tables.get(shape.table);
    const { sql, name } = writeStatement(table, shape);
    const array = (column: string, of: (change: Change) => string | null | undefined): Buffer =>
      arrayParameter(
        isBinary(table, column) ? 'bytea' : 'text',
        changes.map((change) => of(change) ?? null),
      );
    const values = [
      ...shape.id.map((_, place) =>
        arrayParameter(
          'text',
          changes.map(({ id }) => id[place] ?? null),
        ),
      ),
      ...shape.columns.map((column, place) => array(column, ({ old }) => old[place])),
      ...written(shape).map((column, place) => array(column, (change) => change.new[place])),
    ];
    const done = new Set((await this.#rows(sql, values, trx, name)).map((row) => Number(row[0]) - 1));
    return changes.map((_, index) => index).filter((index) => !done.has(index));
  }

  transaction<T>(work: (trx: Transaction) => Promise<T>): Promise<T> {
    return this.knex.transaction(async (trx) => {
      const result = await work(trx);
      // After an error that `work` ignored, COMMIT would roll back and still succeed; this fails instead
      await this.#rows('select 1', [], trx);
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
    const bounds = predicates(table, shape, { after, upTo: null });
    const first = (after?.length ?? 0) + 1;
    // "C": before PostgreSQL 18, a nondeterministic collation has no substring search; and the bytes are what counts
    const hits = shape.columns
      .filter((column) => !isBinary(table, column))
      .flatMap((column) =>
        needles.map((_, place) => `strpos(${value(table, column)} collate "C", $${first + place}) > 0`),
      );
    const sql = `select ${texts(table, shape)} from ${source(table)} ${where([...bounds, `(${hits.join(' or ') || 'false'})`])} ${orderBy(table, shape)} limit ${wholeNumber(limit)}`;
    return toRows(shape, await this.#rows(sql, [...(after ?? []), ...(hits.length === 0 ? [] : needles)]));
  }

  lockRun(): Promise<RunLock> {
    return lockPostgres(this.#config, this.#schema, this.place);
  }

  widen(table: string, column: string, length: number): Promise<void> {
    return widenColumn(this.#ask, this.#schema, table, column, length);
  }

  async close(): Promise<void> {
    await this.knex.destroy();
  }

  /** @param name of a prepared statement that is worth keeping on its connection */
  async #rows(
    text: string,
    values: readonly unknown[],
    trx?: Transaction,
    name?: string,
  ): Promise<DriverRow[]> {
    const query = {
      text,
      values: [...values],
      rowMode: 'array' as const,
      ...(name === undefined ? {} : { name }),
    };
    return (await this.#session(trx, (client) => client.query<DriverRow>(query))).rows;
  }

  async #session<T>(trx: Transaction | undefined, work: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      return await onConnection(this.knex, trx, work);
    } catch (error) {
      throw withoutRow(error);
    }
  }
}

/** The detail and the context of PostgreSQL's errors quote the row that failed (invariant 9). */
function withoutRow(error: unknown): unknown {
  if (error instanceof Error)
    for (const field of ['detail', 'where', 'internalQuery'])
      delete (error as unknown as Record<string, unknown>)[field];
  return error;
}
