import { causedBy, networkCodes } from '../failures.ts';
import type { MssqlError } from './error.ts';

/**
 * https://learn.microsoft.com/en-us/azure/azure-sql/database/troubleshoot-common-errors-issues for the five-digit ones.
 * Not 4060 (no such database, or no right to it): a mistake in the URL far more often than a failover.
 */
const numbers = new Set<number | undefined>([
  1204, // no lock could be had
  1205, // deadlock victim
  1222, // lock request timeout
  3960, // snapshot isolation: update conflict
  3961, // snapshot isolation: the schema changed
  596, // the session was killed
  64, // the connection was broken during login
  233, // no process at the other end
  921, // the database is not recovered yet
  983, // the availability replica is changing its role
  6005, // SHUTDOWN is in progress
  10053, // the connection was aborted
  10054, // the connection was reset
  10060, // the connection timed out
  10928, // resource limit reached
  10929, // resource limit reached
  40143, // failover
  40197, // failover
  40501, // the service is busy
  40613, // the database is not available
  49918, // not enough resources
  49919, // too many create or update operations
  49920, // too many operations
]);

/** The driver's words: https://tediousjs.github.io/tedious/ and its sources, then the pool's. */
const codes = new Set([
  ...networkCodes,
  'ESOCKET',
  'ECLOSE', // closed before the request completed
  'ECONNCLOSED',
  'EINVALIDSTATE', // the connection is gone: "requests can only be made in the LoggedIn state"
  'ETIMEOUT',
  'EINSTLOOKUP',
  'ENOTOPEN',
  'ENOTBEGUN',
]);

/** The pools' errors have no codes. */
const names = new Set<unknown>(['TimeoutError', 'KnexTimeoutError']);

/** A request's own timeout is none: it would take as long again. */
export function isTransientMssql(error: unknown): boolean {
  return causedBy(error, (at) => {
    if (isMssqlError(at)) return !at.timeout && (numbers.has(at.number) || codes.has(at.code));
    return names.has((at as { name?: unknown }).name) || /^Connection terminated/.test(String(at.message));
  });
}

/** SELECT, UPDATE… on an object or a column; a statement; VIEW SERVER STATE and its like. */
export function isDeniedMssql(error: unknown): boolean {
  return isMssqlError(error) && [229, 230, 262, 297, 300].includes(error.number ?? 0);
}

export function isTimeoutMssql(error: unknown): boolean {
  return isMssqlError(error) && error.timeout;
}

function isMssqlError(error: unknown): error is MssqlError {
  return (error as { name?: unknown } | null)?.name === 'MssqlError';
}
