import mysql from 'mysql2/promise';
import { KeyturnError } from '../../error.ts';
import { readTls } from '../../tls.ts';
import type { Login } from '../login.ts';
import { keepAliveMs } from '../silence.ts';
import { numberOf, withoutValues } from './error.ts';
import { describeMysql, type MysqlUrl } from './url.ts';

/** A server to which a connection succeeded, and what has to be known of it. */
export interface ReachedServer {
  readonly config: mysql.ConnectionOptions;
  readonly mariadb: boolean;
  /** Bytes of the largest statement that it accepts, with its parameters. */
  readonly maxPacket: number;
  /** The limit of a statement; undefined: none. */
  readonly statementTimeoutMs: number | undefined;
  /** Statements to run at the start of every session. */
  readonly sessionSql: readonly string[];
}

interface Facts {
  readonly mariadb: boolean;
  readonly version: string;
  readonly maxPacket: number;
  readonly statementBinlog: boolean;
  /** The server hides primary keys that it has added itself. */
  readonly hidesKeys: boolean;
}

/**
 * Marks a session as one of keyturn by a lock with the session's number in its name. Every login can ask who holds a lock,
 * whereas names of programs are only in the performance schema, which is off by default in MariaDB.
 */
export const sessionMark = 'keyturn-session-';

/** The server of the URL, once a connection has succeeded. */
export async function connectable(url: MysqlUrl, login: Login): Promise<ReachedServer> {
  const config = clientConfig(url, login);
  const ssl = await sslOf(url);
  if (ssl === undefined) return tested(config, url, login);
  try {
    return await tested({ ...config, ssl }, url, login);
  } catch (error) {
    const { cause } = error as { cause?: { code?: unknown } };
    if (url.sslMode !== 'PREFERRED' || cause?.code !== 'HANDSHAKE_NO_SSL_SUPPORT') throw error;
    return tested(config, url, login);
  }
}

function clientConfig(url: MysqlUrl, login: Login): mysql.ConnectionOptions {
  const password = url.password ?? login.password;
  return {
    ...(url.socket === undefined ? { host: url.host, port: url.port } : { socketPath: url.socket }),
    ...(url.user === undefined ? {} : { user: url.user }),
    ...(password === undefined ? {} : { password }),
    database: url.database,
    charset: 'utf8mb4',
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
    connectTimeout: 10_000,
    enableKeepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
    // Statements differ by the size of the chunk, so that keeping all of them would be too many
    maxPreparedStatements: 50,
    connectAttributes: { program_name: login.applicationName ?? 'keyturn' },
  };
}

async function sslOf({ sslMode, sslFiles }: MysqlUrl): Promise<mysql.SslOptions | undefined> {
  if (sslMode === 'DISABLED') return undefined;
  return {
    rejectUnauthorized: sslMode === 'VERIFY_CA' || sslMode === 'VERIFY_IDENTITY',
    verifyIdentity: sslMode === 'VERIFY_IDENTITY',
    ...(await readTls(sslFiles, 'database')),
  };
}

async function tested(config: mysql.ConnectionOptions, url: MysqlUrl, login: Login): Promise<ReachedServer> {
  let connection: mysql.Connection | undefined;
  try {
    connection = await mysql.createConnection(config);
    const facts = await factsOf(connection);
    assertVersion(facts, url);
    const { mariadb, maxPacket } = facts;
    return {
      config,
      mariadb,
      maxPacket,
      statementTimeoutMs: login.statementTimeoutMs,
      sessionSql: sessionSql(facts, login),
    };
  } catch (error) {
    throw error instanceof KeyturnError ? error : refusal(error, url);
  } finally {
    await connection?.end().catch(() => undefined);
  }
}

async function factsOf(connection: mysql.Connection): Promise<Facts> {
  const [[row]] = await connection.query<mysql.RowDataPacket[]>(
    `select version() as version, @@max_allowed_packet as packet, @@log_bin and @@binlog_format = 'STATEMENT' as statements`,
  );
  const [[keys]] = await connection.query<mysql.RowDataPacket[]>(
    `show variables like 'show_gipk_in_create_table_and_information_schema'`,
  );
  const version = String(row?.version);
  return {
    mariadb: /mariadb/i.test(version),
    version,
    maxPacket: Number(row?.packet),
    statementBinlog: Number(row?.statements) === 1,
    hidesKeys: keys?.Value === 'OFF',
  };
}

/** Rows are written with JSON_TABLE, which exists since MySQL 8.0 and MariaDB 10.6. */
function assertVersion({ mariadb, version }: Facts, url: MysqlUrl): void {
  // MariaDB may put 5.5.5- before its version, for old replicas
  const [major = 0, minor = 0] = version
    .replace(/^5\.5\.5-/, '')
    .split('.')
    .map(Number);
  if (mariadb ? major > 10 || (major === 10 && minor >= 6) : major >= 8) return;
  throw new KeyturnError(
    'database-unreachable',
    `${describeMysql(url)} has version ${version}, which keyturn does not support`,
    {
      hint: 'use MySQL 8.0 or later, or MariaDB 10.6 or later',
    },
  );
}

/**
 * The text of a value must not depend on settings of the server: it is a row id, or compared with what is stored. Every
 * stored value counts as valid, also a zero date; a value that does not fit is refused, not truncated.
 */
function sessionSql({ mariadb, statementBinlog, hidesKeys }: Facts, login: Login): string[] {
  const limit = login.statementTimeoutMs;
  const settings = [
    `time_zone = '+00:00'`,
    `sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES'`,
    'innodb_lock_wait_timeout = 5',
    'lock_wait_timeout = 5',
    'sql_safe_updates = 0',
    'wait_timeout = 28800',
    // A thread does not read while it decrypts and encrypts
    'net_write_timeout = 600',
    ...(hidesKeys ? ['show_gipk_in_create_table_and_information_schema = 1'] : []),
    // A frozen worker keeps its chunk locked for less time than others try to take it; MySQL has no such limit
    ...(mariadb ? ['idle_transaction_timeout = 20'] : []),
    ...(limit === undefined
      ? []
      : [mariadb ? `max_statement_time = ${limit / 1000}` : `max_execution_time = ${limit}`]),
  ];
  // With a binary log of statements, InnoDB refuses writes under READ COMMITTED: https://mariadb.com/kb/en/set-transaction/
  const isolation = statementBinlog ? 'repeatable read' : 'read committed';
  const own = (login.applicationName ?? 'keyturn').startsWith('keyturn');
  return [
    'set names utf8mb4',
    `set session ${settings.join(', ')}`,
    `set session transaction isolation level ${isolation}`,
    ...(own ? [`select get_lock(concat('${sessionMark}', connection_id()), 0)`] : []),
  ];
}

/** The server's messages for these numbers never contain a password. */
function refusal(error: unknown, url: MysqlUrl): KeyturnError {
  const cause = withoutValues(error);
  const { code = '', message = '' } = cause as { code?: string; message?: string };
  const place = describeMysql(url);
  const unreachable = (what: string, hint: string): KeyturnError =>
    new KeyturnError('database-unreachable', what, { hint, cause });
  switch (numberOf(cause)) {
    case 1049:
      return new KeyturnError('database-missing', `there is no database ${url.database} at ${place}`, {
        hint: 'check the name of the database',
        cause,
      });
    case 1044:
      return unreachable(
        `${place} does not allow this login to use the database`,
        'check the name of the database, and the grants of the login',
      );
    case 1045:
      return unreachable(`${place} did not accept the login`, 'check the user and KEYTURN_DATABASE_PASSWORD');
    case 1130:
      return unreachable(
        `${place} does not allow connections from this host`,
        'check the host in the name of the user',
      );
    case 3159:
      return unreachable(`${place} requires an encrypted connection`, 'add ssl-mode=REQUIRED to the URL');
  }
  if (/^HANDSHAKE_|SSL|CERT/.test(code) || /certificate|SSL/i.test(message))
    return unreachable(`no encrypted connection to ${place}: ${message}`, 'check ssl-mode and ssl-ca');
  return unreachable(
    `cannot reach ${place}: ${message || code}`,
    'check that the server is running, and that host and port are correct',
  );
}
