import knex, { type Knex } from 'knex';
// @ts-expect-error knex declares no types for its dialects
import dialect from 'knex/lib/dialects/mssql/index.js';
// @ts-expect-error nor for their transactions
import dialectTransaction from 'knex/lib/dialects/mssql/transaction.js';
import type { ConnectionPool } from 'mssql';
import type { Connection } from 'tedious';
import { transactionOver } from '../driver-connection.ts';
import { quietKnex } from '../quiet-knex.ts';
import { cleaned } from './error.ts';
import { inTransaction } from './internals.ts';
import { ask, type Parameter } from './request.ts';
import { borrow, giveBack } from './session.ts';
import { collation, quote } from './statement.ts';

const Dialect = dialect as typeof Knex.Client;

type Callback = (result?: unknown) => void;
const DialectTransaction = dialectTransaction as new (
  ...of: unknown[]
) => { _completed: boolean; _resolver: Callback; _rejecter: Callback };

/**
 * Like knex's transaction, but with keyturn's errors, and with the error that made it fail: knex's own makes an error its
 * own `originalError`, so that it cannot be printed, and hides it behind the error of a lost connection.
 */
class MssqlTransaction extends DialectTransaction {
  begin(connection: Connection): Promise<void> {
    return completed((done) => connection.beginTransaction(done));
  }

  async commit(connection: Connection, value?: unknown): Promise<void> {
    this._completed = true;
    await completed((done) => connection.commitTransaction(done)).then(
      () => this._resolver(value),
      (error) => this._rejecter(error),
    );
  }

  async rollback(connection: Connection, error?: unknown): Promise<void> {
    this._completed = true;
    // If the connection is lost or busy, the server rolls back when it is closed
    if (inTransaction(connection))
      await completed((done) => connection.rollbackTransaction(done)).catch(() => connection.close());
    if (error === undefined) this._resolver();
    else this._rejecter(error);
  }
}

function completed(request: (done: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    request((error) => (error ? reject(cleaned(error)) : resolve()));
  });
}

interface Query {
  readonly sql: string;
  readonly bindings?: readonly Parameter[];
  response?: { metadata: { colName: string }; value: unknown }[][];
}

type ColumnCompiler = Record<'varchar' | 'text' | 'integer', unknown>;

/**
 * knex's dialect on the connections of keyturn's own pool. It does not send requests by itself: it has one queue for all
 * connections, in which a request to a lost connection waits for ever, or for another connection.
 *
 * knex documents none of this; test/databases/mssql/knex.test.ts fails when an upgrade moves any of it.
 */
class MssqlClient extends Dialect {
  wrapNativePool(pool: ConnectionPool): Knex.TarnPoolLike {
    return {
      acquire: () => ({ promise: borrow(pool) }),
      release: (connection: Connection) => giveBack(pool, connection),
      // The pool's owner closes it
      destroy: async () => undefined,
    };
  }

  async _query(connection: Connection & { __knexTxId?: string }, query: Query): Promise<Query> {
    assertWithin(connection, connection.__knexTxId !== undefined);
    const { columns, rows } = await ask(connection, query.sql, query.bindings);
    query.response = rows.map((row) =>
      row.map((value, place) => ({
        metadata: { colName: columns[place]?.name ?? '' },
        value: columns[place]?.bigint && value !== null ? Number(value) : value,
      })),
    );
    return query;
  }

  override transaction(...of: unknown[]): Knex.Transaction {
    return new MssqlTransaction(this, ...of) as unknown as Knex.Transaction;
  }

  /** Otherwise knex would use the login's default schema. */
  override queryBuilder(): Knex.QueryBuilder {
    return super.queryBuilder().withSchema(schemaOf(this));
  }

  override schemaBuilder(): Knex.SchemaBuilder {
    return super.schemaBuilder().withSchema(schemaOf(this));
  }

  /**
   * A binary collation: under the database's own, two row ids that differ only in case may be equal. And bigint, since
   * the sum of int is int on SQL Server, and overflows.
   */
  override columnCompiler(table: unknown, column: unknown): ColumnCompiler {
    const compiler: ColumnCompiler = super.columnCompiler(table, column);
    compiler.varchar = (length: number) => `nvarchar(${length}) collate ${collation}`;
    compiler.text = `nvarchar(max) collate ${collation}`;
    compiler.integer = 'bigint';
    return compiler;
  }
}

export function knexOver(pool: ConnectionPool, schema: string): Knex {
  return knex({
    ...quietKnex,
    client: MssqlClient,
    connectionPool: pool as unknown as Knex.ConnectionPool,
    searchPath: schema,
    wrapIdentifier: (name) => (name === '*' ? name : quote(name)),
  });
}

/**
 * The server ends a transaction by itself after an error (XACT_ABORT) or a timeout. A statement after that would run, and
 * commit, on its own.
 */
export function assertWithin(connection: Connection, expected: boolean): void {
  if (expected && !inTransaction(connection)) throw transactionOver();
}

function schemaOf(client: Knex.Client): string {
  return client.config.searchPath as string;
}
