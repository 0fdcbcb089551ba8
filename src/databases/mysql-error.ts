/** What a failed statement says of itself. */
interface Failure extends Error {
  code?: string;
  errno?: number;
  sql?: string;
  sqlMessage?: string;
}

/** Numbers whose message names logins, tables, columns and settings, and never a value. */
const plain = new Set([
  1040, 1044, 1045, 1049, 1053, 1054, 1059, 1071, 1074, 1118, 1130, 1142, 1143, 1146, 1153, 1205, 1213, 1226,
  1227, 1290, 1317, 1665, 1792, 1836, 1927, 1969, 3024, 3159, 3750, 3819,
]);

/**
 * Messages of the server quote values (`Duplicate entry '…'`, `Incorrect string value: '…'`), and the driver adds the
 * statement with its parameters (invariant 9): what is left is the number, its name, and the text where it is harmless.
 */
export function withoutValues(error: unknown): unknown {
  if (!(error instanceof Error) || typeof (error as Failure).errno !== 'number') return error;
  const failure = error as Failure;
  const frames = (failure.stack ?? '').split('\n').filter((line) => /^ {4}at /.test(line));
  const { errno = 0, code, sqlMessage } = failure;
  // The driver has MySQL's names, and the two servers' numbers are the same up to here only
  const name = errno < 1900 ? ` (${code})` : '';
  if (sqlMessage !== undefined)
    failure.message = plain.has(errno)
      ? sqlMessage
      : `the server's error ${errno}${name}, whose text is left out since it may quote a value`;
  delete failure.sql;
  delete failure.sqlMessage;
  failure.stack = [`${failure.name}: ${failure.message}`, ...frames].join('\n');
  return failure;
}

/** The server's number of what went wrong; 0: none. */
export function numberOf(error: unknown): number {
  return Number((error as { errno?: unknown } | null)?.errno ?? 0);
}

/** This login lacks a right: on the database, a table, a column, a routine, or a global one. */
export function isDeniedMysql(error: unknown): boolean {
  return [1044, 1045, 1142, 1143, 1227, 1370].includes(numberOf(error));
}

/** MySQL's max_execution_time (of SELECTs only), MariaDB's max_statement_time. */
export function isTimeoutMysql(error: unknown): boolean {
  return [1969, 3024].includes(numberOf(error));
}
