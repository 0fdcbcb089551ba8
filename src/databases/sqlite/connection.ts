import type SqliteConnection from 'better-sqlite3';
import knex, { type Knex } from 'knex';
import { quietKnex } from '../quiet-knex.ts';
import { Sqlite } from './driver.ts';
import type { SqliteValue } from './id.ts';

/** An application that shares the file locks it for milliseconds; one that keeps the lock for this long has to be stopped. */
const busyMs = 10_000;

export function sqliteKnex(path: string): Knex {
  const made = knex({
    client: 'better-sqlite3',
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
