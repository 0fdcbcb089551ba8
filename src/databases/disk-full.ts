import { KeyturnError } from '../error.ts';
import { causedBy } from './failures.ts';

/**
 * SQLite: https://www.sqlite.org/rescode.html (the shared memory beside a WAL is a file too); PostgreSQL: class 53 of
 * https://www.postgresql.org/docs/current/errcodes-appendix.html; MySQL and MariaDB: InnoDB calls the table full where
 * the disk is (https://bugs.mysql.com/bug.php?id=44781), and mysql/error.ts tells of files that have no room
 */
const codes: ReadonlySet<unknown> = new Set([
  ...['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'],
  '53100',
  ...['ER_DISK_FULL', 'ER_RECORD_FILE_FULL'],
]);

/**
 * SQL Server: no page, no space in the file group, the log is full, a file cannot grow:
 * https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors
 */
const numbers: ReadonlySet<unknown> = new Set([1101, 1105, 9002, 5149]);

/** A database had no room for what was written. */
export function isDiskFull(error: unknown): boolean {
  return causedBy(error, ({ code, number }) => codes.has(code) || numbers.has(number));
}

/** @param next what the user does once there is room. */
export function diskFull(cause: unknown, next: string): KeyturnError {
  return new KeyturnError('database-full', 'the disk is full', {
    hint: `make room for the database, or in the temporary folder, then ${next}`,
    cause,
  });
}
