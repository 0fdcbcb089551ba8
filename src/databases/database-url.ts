import { KeyturnError } from '../error.ts';

/** libpq's words; https://www.postgresql.org/docs/current/libpq-ssl.html */
const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof sslModes)[number];

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
  /** Paths of PEM files. */
  readonly sslFiles: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export type DatabaseUrl = SqliteUrl | PostgresUrl;

const shapes = 'sqlite:path/to/file or postgres://user@host:5432/database?schema=public';

/** No message of this file repeats the URL: it may hold a password. */
export function parseDatabaseUrl(url: string): DatabaseUrl {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'sqlite') return parseSqlite(url);
  if (scheme === 'postgres' || scheme === 'postgresql') return parsePostgres(url);
  if (scheme === 'mysql' || scheme === 'mariadb' || scheme === 'mssql') throw notBuilt(scheme);
  if (/(^|;)\s*(server|data source)\s*=/i.test(url)) throw notBuilt('mssql');
  const what =
    scheme === undefined ? 'the database URL has no scheme' : `there is no database engine ${scheme}`;
  throw new KeyturnError('database-url', what, { hint: `write it as ${shapes}` });
}

/** Where it is, for people: no password. */
export function describeUrl(url: DatabaseUrl): string {
  if (url.engine === 'sqlite') return `sqlite:${url.path}`;
  const user = url.user === undefined ? '' : `${encodeURIComponent(url.user)}@`;
  const host = url.host.includes(':') && !url.host.startsWith('/') ? `[${url.host}]` : url.host;
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
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined)
    throw new KeyturnError('database-url', 'the database URL is malformed', {
      hint: `write it as ${shapes}; a password's special characters are percent-encoded, or leave the password to KEYTURN_DATABASE_PASSWORD`,
    });
  const query = (name: string): string | undefined => url.searchParams.get(name) || undefined;
  const files = { ca: query('sslrootcert'), cert: query('sslcert'), key: query('sslkey') };
  return {
    engine: 'postgres',
    host: query('host') ?? (decode(url.hostname).replace(/^\[(.*)\]$/, '$1') || 'localhost'),
    port: Number(url.port || query('port') || 5432),
    user: decode(url.username) || query('user'),
    password: decode(url.password) || query('password'),
    database: decode(url.pathname.slice(1)) || query('dbname'),
    schema: query('schema') ?? 'public',
    sslMode: sslMode(query('sslmode')),
    sslFiles: Object.fromEntries(Object.entries(files).filter(([, path]) => path !== undefined)),
  };
}

function sslMode(value: string | undefined): SslMode | undefined {
  const mode = sslModes.find((known) => known === value);
  if (value !== undefined && mode === undefined)
    throw new KeyturnError('database-url', 'the sslmode of the database URL is unknown', {
      hint: `one of ${sslModes.join(', ')}`,
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

function notBuilt(engine: string): KeyturnError {
  return new KeyturnError('database-url', `${engine} is not built yet`, {
    hint: `today's engines: ${shapes}`,
  });
}
