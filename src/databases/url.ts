import { KeyturnError } from '../error.ts';
import { describeMssql, isAdo, type MssqlUrl, parseAdo, parseMssql } from './mssql/url.ts';

/** libpq's words; https://www.postgresql.org/docs/current/libpq-ssl.html */
const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

/** MySQL's words, which MariaDB's users know too: https://dev.mysql.com/doc/refman/8.4/en/connection-options.html#option_general_ssl-mode */
const mysqlSslModes = ['DISABLED', 'PREFERRED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY'] as const;
export type MysqlSslMode = (typeof mysqlSslModes)[number];

/** Paths of PEM files. */
interface SslFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface SqliteUrl {
  readonly engine: 'sqlite';
  readonly path: string;
}

export interface PostgresUrl {
  readonly engine: 'postgres';
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly schema: string;
  readonly sslMode: SslMode | undefined;
  readonly sslFiles: SslFiles;
}

/** Of MySQL and MariaDB, which speak one protocol. */
export interface MysqlUrl {
  readonly engine: 'mysql';
  readonly host: string;
  readonly port: number;
  /** Path of a local server's socket, used in place of host and port. */
  readonly socket: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: MysqlSslMode;
  readonly sslFiles: SslFiles;
}

export type DatabaseUrl = SqliteUrl | PostgresUrl | MysqlUrl | MssqlUrl;

const shapes =
  'sqlite:path/to/file, postgres://user@host:5432/database?schema=public, mysql://user@host:3306/database or mssql://user@host:1433/database?schema=dbo';

/** No message of this file repeats the URL: it may hold a password. */
export function parseDatabaseUrl(url: string): DatabaseUrl {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'sqlite') return parseSqlite(url);
  if (scheme === 'postgres' || scheme === 'postgresql') return parsePostgres(url);
  if (scheme === 'mysql' || scheme === 'mariadb') return parseMysql(url);
  if (scheme === 'mssql') return parseMssql(url);
  if (isAdo(url)) return parseAdo(url);
  const what =
    scheme === undefined ? 'the database URL has no scheme' : `there is no database engine ${scheme}`;
  throw new KeyturnError('database-url', what, { hint: `write it as ${shapes}` });
}

/** Where it is, for people: no password. */
export function describeUrl(url: DatabaseUrl): string {
  if (url.engine === 'sqlite') return `sqlite:${url.path}`;
  if (url.engine === 'mssql') return describeMssql(url);
  const user = url.user === undefined ? '' : `${encodeURIComponent(url.user)}@`;
  const host = url.host.includes(':') && !url.host.startsWith('/') ? `[${url.host}]` : url.host;
  if (url.engine === 'mysql') {
    const socket = url.socket === undefined ? '' : `?socket=${encodeURIComponent(url.socket)}`;
    return `mysql://${user}${host}:${url.port}/${encodeURIComponent(url.database)}${socket}`;
  }
  return `postgres://${user}${host}:${url.port}/${encodeURIComponent(url.database ?? '')}?schema=${encodeURIComponent(url.schema)}`;
}

function parseSqlite(url: string): SqliteUrl {
  // Both sqlite:/abs and sqlite:///abs are in use
  const path = url.slice('sqlite:'.length).replace(/^\/\/(?=\/|[^/])/, '');
  if (path === '' || path === ':memory:')
    throw new KeyturnError('database-url', 'the database URL names no file', {
      hint: 'write it as sqlite:path/to/file',
    });
  return { engine: 'sqlite', path };
}

function parsePostgres(text: string): PostgresUrl {
  const { url, query } = parts(text);
  const files = { ca: query('sslrootcert'), cert: query('sslcert'), key: query('sslkey') };
  return {
    engine: 'postgres',
    host: query('host') ?? (hostOf(url) || 'localhost'),
    port: Number(url.port || query('port') || 5432),
    user: decode(url.username) || query('user'),
    password: decode(url.password) || query('password'),
    database: decode(url.pathname.slice(1)) || query('dbname'),
    schema: query('schema') ?? 'public',
    sslMode: sslMode(query('sslmode')),
    sslFiles: given(files),
  };
}

function parseMysql(text: string): MysqlUrl {
  const { url, query } = parts(text);
  const database = decode(url.pathname.slice(1));
  if (database === '')
    throw new KeyturnError('database-url', 'the database URL names no database', {
      hint: 'write it as mysql://user@host:3306/database',
    });
  const files = { ca: query('ssl-ca'), cert: query('ssl-cert'), key: query('ssl-key') };
  return {
    engine: 'mysql',
    host: hostOf(url) || 'localhost',
    port: Number(url.port || 3306),
    socket: query('socket'),
    user: decode(url.username) || undefined,
    password: decode(url.password) || undefined,
    database,
    sslMode: mysqlSslMode(query('ssl-mode') ?? (files.ca === undefined ? 'PREFERRED' : 'VERIFY_CA')),
    sslFiles: given(files),
  };
}

function parts(text: string): { url: URL; query: (name: string) => string | undefined } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined)
    throw new KeyturnError('database-url', 'the database URL is malformed', {
      hint: `write it as ${shapes}; a password's special characters are percent-encoded, or leave the password to KEYTURN_DATABASE_PASSWORD`,
    });
  return { url, query: (name) => url.searchParams.get(name) || undefined };
}

function hostOf(url: URL): string {
  return decode(url.hostname).replace(/^\[(.*)\]$/, '$1');
}

function given(files: Readonly<Record<keyof SslFiles, string | undefined>>): SslFiles {
  return Object.fromEntries(Object.entries(files).filter(([, path]) => path !== undefined));
}

function sslMode(value: string | undefined): SslMode | undefined {
  const mode = sslModes.find((known) => known === value);
  if (value !== undefined && mode === undefined)
    throw new KeyturnError('database-url', 'the sslmode of the database URL is unknown', {
      hint: `one of ${sslModes.join(', ')}`,
    });
  return mode;
}

function mysqlSslMode(value: string): MysqlSslMode {
  const mode = mysqlSslModes.find((known) => known === value.toUpperCase());
  if (mode === undefined)
    throw new KeyturnError('database-url', 'the ssl-mode of the database URL is unknown', {
      hint: `one of ${mysqlSslModes.join(', ')}`,
    });
  return mode;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw strayPercent(cause);
  }
}

function strayPercent(cause: unknown): KeyturnError {
  return new KeyturnError('database-url', 'the database URL has a stray % sign', {
    hint: 'a literal % is written %25',
    cause,
  });
}
