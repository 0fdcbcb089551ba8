import { statSync } from 'node:fs';
import type SqliteConnection from 'better-sqlite3';
import { KeyturnError } from '../../error.ts';
import type { RunLock } from '../database.ts';
import { lockedByAnother } from '../held-lock.ts';
import { Sqlite } from './driver.ts';
import { sqliteCode } from './file.ts';

/**
 * A file beside the database under SQLite's own exclusive lock. The operating system releases it with the process, so no
 * lock can be stale. The database itself cannot be locked, since the workers write it. The empty file stays: if it were
 * deleted, one process could hold a lock on the old file and another on a new file of the same name.
 */
export async function lockSqlite(path: string, place: string): Promise<RunLock> {
  assertOneName(path, place);
  const connection = exclusively(`${path}.keyturn-lock`, place);
  const publisher = new Sqlite(path, { fileMustExist: true });
  const timer = setInterval(() => publish(publisher), publishMs).unref();
  return {
    lost: new Promise<never>(() => undefined),
    async release() {
      clearInterval(timer);
      if (publisher.open) publisher.close();
      connection.close();
    },
  };
}

const publishMs = 1_000;

/**
 * SQLite finds its write-ahead log by the path: over another path to the same file (a bind mount), only what is in the file
 * itself can be seen, and a second coordinator has to see the first one's lease (checkpoint/lease.ts).
 */
function publish(connection: SqliteConnection.Database): void {
  try {
    connection.pragma('wal_checkpoint(passive)');
  } catch {
    // It is busy, and will be published the next time
  }
}

/** Written over two hard links, a database with a write-ahead log is damaged: https://sqlite.org/howtocorrupt.html, 2.5 */
function assertOneName(path: string, place: string): void {
  const links = statSync(path, { throwIfNoEntry: false })?.nlink ?? 1;
  if (links === 1) return;
  throw new KeyturnError('database-linked', `the file of ${place} has ${links} names (hard links)`, {
    hint: 'remove the other names: SQLite damages a database that is written through two of them',
  });
}

function exclusively(path: string, place: string): SqliteConnection.Database {
  let connection: SqliteConnection.Database | undefined;
  try {
    connection = new Sqlite(path, { timeout: 0 });
    connection.exec('begin exclusive');
    return connection;
  } catch (cause) {
    connection?.close();
    throw lockRefusal(cause, path, place);
  }
}

function lockRefusal(cause: unknown, path: string, place: string): KeyturnError {
  if (sqliteCode(cause).startsWith('SQLITE_BUSY')) return lockedByAnother(place, cause);
  return new KeyturnError('no-grant', `cannot create the lock file ${path}`, {
    hint: 'give this user write permission for the folder of the database',
    cause,
  });
}
