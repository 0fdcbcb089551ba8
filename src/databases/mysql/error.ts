/** An error of the driver. */
interface Failure extends Error {
  code?: string;
  errno?: number;
  sql?: string;
  sqlMessage?: string;
}

/** Numbers whose message names logins, tables, columns or settings, but never a value. */
const harmless = new Set([
  1, 3, 20, 1004, 1005, 1006, 1021, 1026, 1030, 1040, 1044, 1045, 1049, 1053, 1054, 1059, 1071, 1074, 1114,
  1118, 1130, 1142, 1143, 1146, 1153, 1205, 1213, 1226, 1227, 1290, 1317, 1665, 1792, 1836, 1927, 1969, 3024,
  3159, 3750, 3819,
]);

/** A file could not be created or written; the message has the operating system's number of the reason. */
const fileErrors = new Set([1, 3, 20, 1004, 1005, 1006, 1026, 1030]);

/**
 * The operating system's ENOSPC or InnoDB's HA_ERR_RECORD_FILE_FULL, as MariaDB (`Errcode: 28`, `errno: 28`, `error 28`) and MySQL (`OS errno 28`) write it:
 * https://mariadb.com/kb/en/mariadb-error-codes/, https://dev.mysql.com/doc/mysql-errors/8.4/en/
 */
const noSpace = /\b(errcode|errno|error):? (28|135)\b/i;

/**
 * The server's messages quote values (`Duplicate entry '…'`, `Incorrect string value: '…'`), and the driver adds the
 * statement with its parameters (invariant 9). This leaves the number, its name, and the message if it is harmless.
 */
export function withoutValues(error: unknown): unknown {
  if (!(error instanceof Error) || typeof (error as Failure).errno !== 'number') return error;
  const failure = error as Failure;
  const frames = (failure.stack ?? '').split('\n').filter((line) => /^ {4}at /.test(line));
  const { errno = 0, code, sqlMessage } = failure;
  // The driver knows MySQL's names, and only up to here do numbers of MySQL and MariaDB mean the same
  const name = errno < 1900 ? ` (${code})` : '';
  if (sqlMessage !== undefined)
    failure.message = harmless.has(errno)
      ? sqlMessage
      : `error ${errno}${name} of the server; its message is omitted, since it may quote a value`;
  if (fileErrors.has(errno) && noSpace.test(sqlMessage ?? '')) failure.code = 'ER_DISK_FULL';
  delete failure.sql;
  delete failure.sqlMessage;
  failure.stack = [`${failure.name}: ${failure.message}`, ...frames].join('\n');
  return failure;
}

/** The server's number of an error; 0: it has none. */
export function numberOf(error: unknown): number {
  return Number((error as { errno?: unknown } | null)?.errno ?? 0);
}
