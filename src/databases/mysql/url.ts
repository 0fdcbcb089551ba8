import type { TlsFiles } from '../../tls.ts';
import { decode, hostOf, hostText, invalidUrl, partsOf, tlsFiles, userText } from '../url.ts';

/** MySQL's words, which users of MariaDB know too: https://dev.mysql.com/doc/refman/8.4/en/connection-options.html#option_general_ssl-mode */
const sslModes = ['DISABLED', 'PREFERRED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY'] as const;
export type MysqlSslMode = (typeof sslModes)[number];

/** Of MySQL and MariaDB, which speak one protocol. */
export interface MysqlUrl {
  readonly host: string;
  readonly port: number;
  /** Path of a local server's socket, used instead of host and port. */
  readonly socket: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: MysqlSslMode;
  readonly sslFiles: TlsFiles;
}

export const mysqlShape = 'mysql://user@host:3306/database';

export function isMysql(url: string): boolean {
  return /^(mysql|mariadb):/i.test(url);
}

export function parseMysql(text: string): MysqlUrl {
  const { url, query } = partsOf(text, mysqlShape);
  const database = decode(url.pathname.slice(1));
  if (database === '')
    throw invalidUrl('the database URL does not name a database', { hint: `write it as ${mysqlShape}` });
  const files = tlsFiles({ ca: query('ssl-ca'), cert: query('ssl-cert'), key: query('ssl-key') });
  return {
    host: hostOf(url) || 'localhost',
    port: Number(url.port || 3306),
    socket: query('socket'),
    user: decode(url.username) || undefined,
    password: decode(url.password) || undefined,
    database,
    sslMode: sslMode(query('ssl-mode') ?? (files.ca === undefined ? 'PREFERRED' : 'VERIFY_CA')),
    sslFiles: files,
  };
}

/** For people: without the password. */
export function describeMysql({ user, host, port, socket, database }: MysqlUrl): string {
  const query = socket === undefined ? '' : `?socket=${encodeURIComponent(socket)}`;
  return `mysql://${userText(user)}${hostText(host)}:${port}/${encodeURIComponent(database)}${query}`;
}

function sslMode(value: string): MysqlSslMode {
  const mode = sslModes.find((known) => known === value.toUpperCase());
  if (mode === undefined)
    throw invalidUrl('the database URL has an unknown ssl-mode', {
      hint: `use one of ${sslModes.join(', ')}`,
    });
  return mode;
}
