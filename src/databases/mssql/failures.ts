import { causedBy, type Failures, networkCodes } from '../failures.ts';
import { hidden } from './access.ts';
import type { MssqlError } from './error.ts';

/**
 * https://learn.microsoft.com/en-us/azure/azure-sql/database/troubleshoot-common-errors-issues for the five-digit ones.
 * Not 4060 (no such database, or no permission for it): far more often a mistake in the URL than a failover.
 */
const transient = new Set<number | undefined>([
  1204, // no lock could be had
  1205, // deadlock victim
  1222, // lock request timeout
  3960, // snapshot isolation: update conflict
  3961, // snapshot isolation: the schema changed
  13535, // temporal table: another transaction began later and wrote the row first
  596, // the session was killed
  64, // the connection was broken during login
  233, // no process at the other end
  921, // the database is not recovered yet
  922, // the database is being recovered
  952, // the database is in transition
  976, // the availability replica is not accessible
  983, // the availability replica is changing its role
  988, // the availability group has no quorum
  4221, // the secondary replica is not ready yet
  6005, // SHUTDOWN is in progress
  6006, // the server was shut down
  17142, // the server is paused
  17187, // the server is not ready for connections yet
  17809, // too many connections
  18401, // the server is upgrading its databases
  10053, // the connection was aborted
  10054, // the connection was reset
  10060, // the connection timed out
  10928, // resource limit reached
  10929, // resource limit reached
  10936, // resource limit of an elastic pool reached
  40143, // failover
  40197, // failover
  40501, // the service is busy
  40540, // the service could not process the request
  40613, // the database is not available
  49918, // not enough resources
  49919, // too many create or update operations
  49920, // too many operations
]);

/** Codes of the driver (https://tediousjs.github.io/tedious/ and its source), then of the pool. */
const transientCodes = new Set([
  ...networkCodes,
  'ESOCKET',
  'ECLOSE', // closed before the request completed
  'ECONNCLOSED',
  'EINVALIDSTATE', // the connection was lost: "requests can only be made in the LoggedIn state"
  'ETIMEOUT',
  'EINSTLOOKUP',
  'ENOTOPEN',
  'ENOTBEGUN',
]);

/** Errors of the pools have no code. */
const poolErrors = new Set<unknown>(['TimeoutError', 'KnexTimeoutError']);

/**
 * No page, no space in the file group, the log is full, a file cannot grow:
 * https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors
 */
const full: ReadonlySet<unknown> = new Set([1101, 1105, 9002, 5149]);

/** SELECT, UPDATE… on an object or a column; a statement; VIEW SERVER STATE and similar. */
const denied = [229, 230, 262, 297, 300];

export const mssqlFailures: Failures = {
  /** Not for a request that timed out: it would take as long again. */
  isTransient: (error) =>
    causedBy(error, (at) => {
      if (isMssqlError(at)) return !at.timeout && (transient.has(at.number) || transientCodes.has(at.code));
      return (
        poolErrors.has((at as { name?: unknown }).name) || /^Connection terminated/.test(String(at.message))
      );
    }),
  isLocked: (error) => causedBy(error, (at) => isMssqlError(at) && at.number === 1222),
  isDenied: (error) => isMssqlError(error) && (error.code === hidden || denied.includes(error.number ?? 0)),
  isTimeout: (error) => isMssqlError(error) && error.timeout,
  isMissingTable: (error) => isMssqlError(error) && error.number === 208,
  isDiskFull: (error) => causedBy(error, ({ number }) => full.has(number)),
};

function isMssqlError(error: unknown): error is MssqlError {
  return (error as { name?: unknown } | null)?.name === 'MssqlError';
}
