import { causedBy, type Failures } from '../failures.ts';

/** https://www.sqlite.org/rescode.html; the shared memory beside a write-ahead log is also a file. */
const full: ReadonlySet<unknown> = new Set(['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE']);

export const sqliteFailures: Failures = {
  isTransient: (error) =>
    causedBy(
      error,
      ({ code, message }) =>
        (typeof code === 'string' && /^SQLITE_(BUSY|LOCKED|PROTOCOL)/.test(code)) ||
        (typeof message === 'string' && /^Knex: Timeout acquiring/.test(message)),
    ),
  /** Who keeps the file busy is unknown: it counts as transient alone. */
  isLocked: () => false,
  /** Access is by file: whoever can open the database may do anything to it. */
  isDenied: () => false,
  /** The driver is synchronous: nothing could interrupt a statement. */
  isTimeout: () => false,
  /** SQLite has one code for every mistake in a statement. */
  isMissingTable: (error) => /no such table/.test(String((error as { message?: unknown } | null)?.message)),
  isDiskFull: (error) => causedBy(error, ({ code }) => full.has(code)),
};
