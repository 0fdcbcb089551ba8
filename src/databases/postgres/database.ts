import knex, { type Knex } from 'knex';
import type pg from 'pg';
import { type Texts, textsOf } from '../../texts.ts';
import type {
  Batch,
  Batches,
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
import { quietKnex } from '../quiet-knex.ts';
import { type DriverRow, toRow, toRows, where, wholeNumber, written } from '../statement.ts';
import { arrayParameter } from './array.ts';
import { boundSql, type Limit } from './bound.ts';
import { type PostgresTable, readCatalog } from './catalog.ts';
import { postgresFailures } from './failures.ts';
import { JoinedColumns } from './joined-columns.ts';
import { lockPostgres } from './lock.ts';
import { rowByRow } from './rows.ts';
import { PostgresServer } from './server.ts';
import { connectable, prepareSession } from './session.ts';
import {
  compare,
  isBinary,
  orderBy,
  type Prepared,
  predicates,
  source,
  texts,
  unwrittenSql,
  value,
  writeStatement,
} from './statement.ts';
import { postgresTraits } from './traits.ts';
import { describePostgres, type PostgresUrl } from './url.ts';
import { widenColumn } from './widen.ts';

export async function openPostgres(url: PostgresUrl, login: Login): Promise<Database> {
  return new PostgresDatabase(await connectable(url, login), url);
}

class PostgresDatabase implements Database, Batches {
  readonly place: string;
  readonly knex: Knex;
  readonly dialect = plainDialect;
  readonly failures = postgresFailures;
  readonly traits = postgresTraits;
  readonly server: PostgresServer;
  readonly batches = this;
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
    const judge = (sql: string) => onlyReading(this.knex, (trx) => this.#rows(sql, [], trx));
    this.server = new PostgresServer(this.#ask, judge, this.knex, url.schema);
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

  async boundAfter(shape: RowShape, after: RowId | null, limit: Limit): Promise<RowId | null> {
    const table = await this.#tables.get(shape.table);
    const { byRows, byBytes } = boundSql(table, shape, after, limit);
    const [last] = await this.#rows(byRows, [...(after ?? [])]);
    if (last === undefined || last[0] === null) return null;
    if (Number(last.at(-1)) <= limit.bytes) return last.slice(0, -1) as string[];
    const [row] = await this.#rows(byBytes, [...(after ?? [])]);
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
    const texts = (column: string, of: (change: Change) => string | null | undefined): Texts =>
      textsOf(
        changes.map((change) => of(change) ?? null),
        isBinary(table, column) ? 'latin1' : 'utf8',
      );
    const batch: Batch = {
      rows: changes.length,
      id: shape.id.map((_, place) => textsOf(changes.map(({ id }) => id[place] ?? null))),
      columns: shape.columns.map((column, place) => texts(column, ({ old }) => old[place])),
    };
    const next = written(shape).map((column, place) => texts(column, (change) => change.new[place]));
    return this.writeBatch(trx, shape, batch, next);
  }

  async readBatch(shape: RowShape, range: Range): Promise<Batch | null> {
    const table = await this.#tables.get(shape.table);
    const joined = JoinedColumns.of(table, shape);
    if (joined === null) return null;
    const sql = joined.sql(where(predicates(table, shape, range)));
    const [row = []] = await this.#rows(sql, [...(range.after ?? []), ...(range.upTo ?? [])]);
    const texts = joined.texts(row);
    const id = texts.slice(0, shape.id.length);
    return { rows: id[0]?.lengths.length ?? 0, id, columns: texts.slice(shape.id.length) };
  }

  async writeBatch(
    trx: Transaction,
    shape: RowShape,
    { rows, id, columns }: Batch,
    next: readonly Texts[],
  ): Promise<number[]> {
    const table = await this.#tables.get(shape.table);
    const typeOf = (place: number) => (isBinary(table, shape.columns[place] ?? '') ? 'bytea' : 'text');
    const ids = id.map((texts) => arrayParameter('text', texts));
    const values = [
      ...ids,
      ...columns.map((texts, place) => arrayParameter(typeOf(place), texts)),
      ...next.map((texts, place) => arrayParameter(typeOf(place), texts)),
    ];
    const { rowCount } = await this.#query(writeStatement(table, shape), values, trx);
    if (rowCount === rows) return [];
    return (await this.#rows(unwrittenSql(table, shape), ids, trx)).map(([place]) => Number(place) - 1);
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
    const hits = shape.columns.flatMap((column) =>
      needles.map((_, place) => {
        const needle = `$${first + place}::text`;
        return isBinary(table, column)
          ? `position(convert_to(${needle}, 'UTF8') in ${value(table, column)}) > 0`
          : `strpos(${value(table, column)} collate "C", ${needle}) > 0`;
      }),
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

  async #rows(sql: string, values: readonly unknown[], trx?: Transaction): Promise<DriverRow[]> {
    return (await this.#query({ sql }, values, trx)).rows;
  }

  #query(
    { sql: text, name }: Pick<Prepared, 'sql'> & Partial<Prepared>,
    values: readonly unknown[],
    trx?: Transaction,
  ): Promise<pg.QueryArrayResult<DriverRow>> {
    const query = {
      text,
      values: [...values],
      rowMode: 'array' as const,
      ...(name === undefined ? {} : { name }),
    };
    return this.#session(trx, (client) => client.query<DriverRow>(query));
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
