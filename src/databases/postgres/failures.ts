import { causedBy, networkCodes } from '../failures.ts';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const codes = new Set([
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

/** The driver's and the pool's own words for a lost connection carry no code. */
const messages =
  /^(.* - )?(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired|timeout exceeded when trying to connect|Knex: Timeout acquiring)/s;

export function isTransientPostgres(error: unknown): boolean {
  return causedBy(
    error,
    ({ code, message }) =>
      (typeof code === 'string' && (codes.has(code) || /^08[0-9A-Z]{3}$/.test(code))) ||
      (typeof message === 'string' && messages.test(message)),
  );
}
