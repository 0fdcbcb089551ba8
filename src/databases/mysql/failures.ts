import { causedBy, type Failures, networkCodes } from '../failures.ts';
import { numberOf } from './error.ts';

/** https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html, https://mariadb.com/kb/en/mariadb-error-codes/ */
const transient = new Set([
  1020, // record has changed since last read (MariaDB's snapshot isolation)
  1040, // too many connections
  1053, // server shutdown in progress
  1152, // aborted connection
  1158, // error reading communication packets
  1159, // timeout reading communication packets
  1160, // error writing communication packets
  1161, // timeout writing communication packets
  1203, // too many connections of this user
  1205, // lock wait timeout: only the statement was rolled back, so the transaction has to be
  1213, // deadlock
  1317, // the query was killed
  1927, // the connection was killed
  2006, // server has gone away
  2013, // lost connection during query
  3101, // a group's certification rolled the transaction back
  4031, // disconnected for inactivity
]);

const transientCodes = new Set([...networkCodes, 'PROTOCOL_CONNECTION_LOST', 'PROTOCOL_SEQUENCE_TIMEOUT']);

/** DriverRow of the driver, of the pool and of the run lock for a lost connection. */
const lostConnection =
  /^(.* - )?(Can't add new command when connection is in closed state|Connection lost|Connection terminated|connect ETIMEDOUT|Knex: Timeout acquiring)/s;

/** InnoDB reports a full disk as a full table: https://bugs.mysql.com/bug.php?id=44781; error.ts names the others. */
const full: ReadonlySet<unknown> = new Set(['ER_DISK_FULL', 'ER_RECORD_FILE_FULL']);

/** On a database, a table, a column, a routine, or a global one. */
const denied = [1044, 1045, 1142, 1143, 1227, 1370];

export const mysqlFailures: Failures = {
  isTransient: (error) =>
    causedBy(
      error,
      ({ code, errno, message }) =>
        transient.has(Number(errno)) ||
        (typeof code === 'string' && transientCodes.has(code)) ||
        (typeof message === 'string' && lostConnection.test(message)),
    ),
  isLocked: (error) => causedBy(error, ({ errno }) => Number(errno) === 1205),
  isDenied: (error) => denied.includes(numberOf(error)),
  /** MySQL's max_execution_time (SELECT only), MariaDB's max_statement_time. */
  isTimeout: (error) => [1969, 3024].includes(numberOf(error)),
  isMissingTable: (error) => numberOf(error) === 1146,
  isDiskFull: (error) => causedBy(error, ({ code }) => full.has(code)),
};
