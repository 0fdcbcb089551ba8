import { KeyturnError } from '../error.ts';

/**
 * SQLite: https://www.sqlite.org/rescode.html (the shared memory beside a WAL is a file too); PostgreSQL: class 53 of
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const codes: ReadonlySet<unknown> = new Set(['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE', '53100']);

/** A database had no room for what was written. By code, not by class: another realm's Error is no instance of this one's. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error; typeof at === 'object' && at !== null; at = (at as { cause?: unknown }).cause)
    if (codes.has((at as { code?: unknown }).code)) return true;
  return false;
}

/** @param next what the user does once there is room. */
export function diskFull(cause: unknown, next: string): KeyturnError {
  return new KeyturnError('database-full', 'the disk is full', {
    hint: `make room for the database, or in the temporary folder, then ${next}`,
    cause,
  });
}
