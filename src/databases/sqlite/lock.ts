import type SqliteConnection from 'better-sqlite3';
import { KeyturnError } from '../../error.ts';
import type { RunLock } from '../database.ts';
import { Sqlite } from './driver.ts';
import { sqliteCode } from './file.ts';

/**
 * A file beside the database under SQLite's own exclusive lock. The operating system releases it with the process, so no
 * lock can be stale. The database itself cannot be locked, since the workers write it. The empty file stays: if it were
 * deleted, one process could hold a lock on the old file and another on a new file of the same name.
 */
export async function lockSqlite(path: string, place: string): Promise<RunLock> {
  const connection = exclusively(`${path}.keyturn-lock`, place);
  return {
    lost: new Promise<never>(() => undefined),
    async release() {
      connection.close();
    },
  };
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
  if (sqliteCode(cause).startsWith('SQLITE_BUSY'))
    return new KeyturnError('run-lock', `another keyturn process is working on ${place}`, {
      hint: 'wait until it has finished, or find it with keyturn status',
      cause,
    });
  return new KeyturnError('no-grant', `cannot create the lock file ${path}`, {
    hint: 'give this user write permission for the folder of the database',
    cause,
  });
}
