import knex, { type Knex } from 'knex';
// @ts-expect-error knex declares no types of its dialects
import dialect from 'knex/lib/dialects/mssql/index.js';
// @ts-expect-error neither of their transactions
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

type Settle = (result?: unknown) => void;
const DialectTransaction = dialectTransaction as new (
  ...of: unknown[]
) => { _completed: boolean; _resolver: Settle; _rejecter: Settle };

/**
 * Like knex's, but its errors are ours, and what made a transaction fail is what its caller hears: knex's own makes an
 * error its own `originalError`, which nothing can print, and hides it behind a lost connection's.
 */
class MssqlTransaction extends DialectTransaction {
  begin(connection: Connection): Promise<void> {
    return settled((done) => connection.beginTransaction(done));
  }

  async commit(connection: Connection, value?: unknown): Promise<void> {
    this._completed = true;
    await settled((done) => connection.commitTransaction(done)).then(
      () => this._resolver(value),
      (error) => this._rejecter(error),
    );
  }

  async rollback(connection: Connection, error?: unknown): Promise<void> {
    this._completed = true;
    // Of one that is lost, or busy, the server rolls back what it has when the connection ends
    if (inTransaction(connection))
      await settled((done) => connection.rollbackTransaction(done)).catch(() => connection.close());
    if (error === undefined) this._resolver();
    else this._rejecter(error);
  }
}

function settled(request: (done: (error?: Error | null) => void) => void): Promise<void> {
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
 * knex's dialect with the connections of the pool that is there anyway. Its own way to the server is not used: its queue
 * of requests is one for all connections, and a request to a lost connection waits there for ever, or for another one.
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

  /** Otherwise the login's default schema would be meant. */
  override queryBuilder(): Knex.QueryBuilder {
    return super.queryBuilder().withSchema(schemaOf(this));
  }

  override schemaBuilder(): Knex.SchemaBuilder {
    return super.schemaBuilder().withSchema(schemaOf(this));
  }

  /**
   * A binary collation: the database's own may take one row id for another that differs in case only. And sums of int
   * are int here, and overflow.
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
 * The server ends a transaction by itself after an error (XACT_ABORT) or a timeout; a statement that came after it would
 * run, and commit, on its own.
 */
export function assertWithin(connection: Connection, expected: boolean): void {
  if (expected && !inTransaction(connection)) throw transactionOver();
}

function schemaOf(client: Knex.Client): string {
  return client.config.searchPath as string;
}
