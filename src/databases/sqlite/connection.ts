import { setImmediate } from 'node:timers/promises';
import type SqliteConnection from 'better-sqlite3';
import knex, { type Knex } from 'knex';
// @ts-expect-error knex declares no types for its dialects
import dialect from 'knex/lib/dialects/better-sqlite3/index.js';
import { quietKnex } from '../quiet-knex.ts';
import { Sqlite } from './driver.ts';
import { sqliteCode } from './file.ts';
import type { SqliteValue } from './id.ts';

/**
 * An application that shares the file locks it for milliseconds; one that keeps the lock for ten seconds has to be stopped.
 * The driver is synchronous: a wait stops the event loop, and with it Ctrl-C, so a long wait is several short ones.
 */
const busyMs = 500;
const busyTries = 20;

const Dialect = dialect as new (
  ...of: unknown[]
) => { _query(connection: unknown, query: unknown): Promise<unknown> };

/** A statement of a transaction too, BEGIN and COMMIT among them, has no effect where it finds the file locked. */
class PatientDialect extends Dialect {
  override _query(connection: unknown, query: unknown): Promise<unknown> {
    return unlessBusy(() => super._query(connection, query));
  }
}

export function sqliteKnex(path: string): Knex {
  const made = knex({
    client: PatientDialect as unknown as typeof Knex.Client,
    connection: { filename: path },
    useNullAsDefault: true,
    ...quietKnex,
    pool: { min: 0, max: 1, afterCreate: prepareConnection },
  });
  // knex itself would load better-sqlite3
  made.client.driver = Sqlite;
  changeTransactions(made);
  return made;
}

/** Tries again while another connection has locked the file. */
export async function unlessBusy<T>(work: () => T | Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === busyTries || !sqliteCode(error).startsWith('SQLITE_BUSY')) throw error;
      await setImmediate();
    }
  }
}

function prepareConnection(
  connection: SqliteConnection.Database,
  done: (error: Error | null, connection: SqliteConnection.Database) => void,
): void {
  connection.pragma(`busy_timeout = ${busyMs}`);
  done(null, connection);
}

/**
 * BEGIN IMMEDIATE: a transaction that begins by reading cannot write once another connection has written: SQLITE_BUSY,
 * without waiting. And no ROLLBACK where SQLite has rolled back by itself, as it does for a full disk: the ROLLBACK would
 * fail, and its error would hide the first one. (https://www.sqlite.org/lang_transaction.html)
 *
 * knex has no option for either, and does not document these functions: test/databases/sqlite/database.test.ts fails when
 * an upgrade moves them.
 */
function changeTransactions(knex: Knex): void {
  const make = knex.client.transaction.bind(knex.client);
  knex.client.transaction = (...args: unknown[]) => {
    const transaction = make(...args);
    transaction.begin = (connection: unknown) => transaction.query(connection, 'BEGIN IMMEDIATE;');
    const rollback = transaction.rollback.bind(transaction);
    transaction.rollback = (connection: SqliteConnection.Database, error: unknown) =>
      connection.inTransaction
        ? rollback(connection, error)
        : transaction.query(connection, 'SELECT 1', 2, error);
    return transaction;
  };
}

/** Integers as bigint, rows as arrays. */
export function read(
  connection: SqliteConnection.Database,
  sql: string,
): SqliteConnection.Statement<unknown[], SqliteValue[]> {
  return connection.prepare<unknown[], SqliteValue[]>(sql).safeIntegers(true).raw(true);
}
