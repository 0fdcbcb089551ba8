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
  beginImmediately(made);
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
 * A transaction that begins by reading cannot write once another connection has written: SQLITE_BUSY, without waiting
 * (https://www.sqlite.org/lang_transaction.html). knex has no option for it, and documents neither of these functions:
 * test/databases/sqlite/database.test.ts fails when an upgrade moves them.
 */
function beginImmediately(knex: Knex): void {
  const make = knex.client.transaction.bind(knex.client);
  knex.client.transaction = (...args: unknown[]) => {
    const transaction = make(...args);
    transaction.begin = (connection: unknown) => transaction.query(connection, 'BEGIN IMMEDIATE;');
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
