import { causedBy, type Failures, networkCodes } from '../failures.ts';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const transient = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '55P03', // lock_not_available (lock_timeout)
  '57P01', // admin_shutdown
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout
  '53300', // too_many_connections
  ...networkCodes,
]);

/** DriverRow of the driver and of the pool for a lost connection; these errors have no code. */
const lostConnection =
  /^(.* - )?(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired|timeout exceeded when trying to connect|Knex: Timeout acquiring)/s;

export const postgresFailures: Failures = {
  isTransient: (error) =>
    causedBy(
      error,
      ({ code, message }) =>
        (typeof code === 'string' && (transient.has(code) || /^08[0-9A-Z]{3}$/.test(code))) ||
        (typeof message === 'string' && lostConnection.test(message)),
    ),
  isLocked: (error) => causedBy(error, ({ code }) => code === '55P03'),
  /** insufficient_privilege; also for a row-level policy that would hide rows, since row_security is off. */
  isDenied: (error) => codeOf(error) === '42501',
  /** query_canceled */
  isTimeout: (error) => codeOf(error) === '57014',
  /** undefined_table */
  isMissingTable: (error) => codeOf(error) === '42P01',
  /** disk_full */
  isDiskFull: (error) => causedBy(error, ({ code }) => code === '53100'),
};

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
