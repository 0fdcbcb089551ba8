import { causedBy, networkCodes } from '../failures.ts';

/** https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes/ */
const numbers = new Set([
  1020, // record has changed since last read (MariaDB's snapshot isolation)
  1040, // too many connections
  1053, // server shutdown in progress
  1152, // aborted connection
  1158, // error reading communication packets
  1159, // timeout reading communication packets
  1160, // error writing communication packets
  1161, // timeout writing communication packets
  1203, // too many connections of this user
  1205, // lock wait timeout: the statement alone was rolled back, so the transaction has to be
  1213, // deadlock
  1317, // the query was killed
  1927, // the connection was killed
  2006, // server has gone away
  2013, // lost connection during query
  3101, // a group's certification rolled the transaction back
  4031, // disconnected for inactivity
]);

const codes = new Set([...networkCodes, 'PROTOCOL_CONNECTION_LOST', 'PROTOCOL_SEQUENCE_TIMEOUT']);

/** The driver's, the pool's and the run lock's own words for a lost connection. */
const messages =
  /^(.* - )?(Can't add new command when connection is in closed state|Connection lost|Connection terminated|connect ETIMEDOUT|Knex: Timeout acquiring)/s;

export function isTransientMysql(error: unknown): boolean {
  return causedBy(
    error,
    ({ code, errno, message }) =>
      numbers.has(Number(errno)) ||
      (typeof code === 'string' && codes.has(code)) ||
      (typeof message === 'string' && messages.test(message)),
  );
}
