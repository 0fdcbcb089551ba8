import type { SslMode, TlsFiles } from '../../tls.ts';
import { decode, hostOf, hostText, invalidUrl, partsOf, tlsFiles, userText } from '../url.ts';

const sslModes: readonly SslMode[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'];

export interface PostgresUrl {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly schema: string;
  readonly sslMode: SslMode | undefined;
  readonly sslFiles: TlsFiles;
}

export const postgresShape = 'postgres://user@host:5432/database?schema=public';

export function isPostgres(url: string): boolean {
  return /^postgres(ql)?:/i.test(url);
}

export function parsePostgres(text: string): PostgresUrl {
  const { url, query } = partsOf(text, postgresShape);
  return {
    host: query('host') ?? (hostOf(url) || 'localhost'),
    port: Number(url.port || query('port') || 5432),
    user: decode(url.username) || query('user'),
    password: decode(url.password) || query('password'),
    database: decode(url.pathname.slice(1)) || query('dbname'),
    schema: query('schema') ?? 'public',
    sslMode: sslMode(query('sslmode')),
    sslFiles: tlsFiles({ ca: query('sslrootcert'), cert: query('sslcert'), key: query('sslkey') }),
  };
}

/** For people: without the password. */
export function describePostgres({ user, host, port, database, schema }: PostgresUrl): string {
  const path = encodeURIComponent(database ?? '');
  return `postgres://${userText(user)}${hostText(host)}:${port}/${path}?schema=${encodeURIComponent(schema)}`;
}

function sslMode(value: string | undefined): SslMode | undefined {
  const mode = sslModes.find((known) => known === value);
  if (value !== undefined && mode === undefined)
    throw invalidUrl('the database URL has an unknown sslmode', {
      hint: `use one of ${sslModes.join(', ')}`,
    });
  return mode;
}
