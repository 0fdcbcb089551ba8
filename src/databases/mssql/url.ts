import { decode, hostOf, invalidUrl, partsOf, userText } from '../url.ts';

/** `strict` is TDS 8.0: TLS begins before the protocol. */
export type Encrypt = boolean | 'strict';

export interface MssqlUrl {
  readonly host: string;
  /** Undefined: the SQL Server Browser is asked for the named instance's port. */
  readonly port: number | undefined;
  readonly instance: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Undefined: the login's default database. */
  readonly database: string | undefined;
  readonly schema: string;
  readonly encrypt: Encrypt;
  readonly trustServerCertificate: boolean;
  /** Undefined: the certificate must be for `host`. */
  readonly hostNameInCertificate: string | undefined;
  readonly connectTimeoutMs: number;
  /** All addresses of the host are tried at the same time: of a listener's, only that of the primary replica answers. */
  readonly multiSubnetFailover: boolean;
  /** The listener may choose a secondary replica, which accepts no writes. */
  readonly readOnlyIntent: boolean;
}

type Options = Omit<MssqlUrl, 'host' | 'port' | 'instance' | 'user' | 'password' | 'database'>;

export const mssqlShape = 'mssql://user@host:1433/database?schema=dbo';
const shapes = `${mssqlShape}, or Server=host,1433;Database=…;User Id=…`;

/** https://learn.microsoft.com/en-us/dotnet/api/microsoft.data.sqlclient.sqlconnection.connectionstring */
const words = {
  server: ['server', 'data source', 'address', 'addr', 'network address'],
  database: ['database', 'initial catalog'],
  user: ['user id', 'uid', 'user'],
  password: ['password', 'pwd'],
  encrypt: ['encrypt'],
  trust: ['trustservercertificate', 'trust server certificate'],
  integrated: ['integrated security', 'trusted_connection'],
  authentication: ['authentication'],
  schema: ['schema'],
  certificateName: ['hostnameincertificate', 'host name in certificate'],
  timeout: ['connecttimeout', 'connect timeout', 'connection timeout', 'timeout'],
  multiSubnet: ['multisubnetfailover', 'multi subnet failover'],
  intent: ['applicationintent', 'application intent'],
  instance: ['instance'],
} as const;

/** They decide which server is reached, or whether it is trusted: without them, another may be. */
const unsupported = [
  ...['failover partner', 'failoverpartner', 'attachdbfilename', 'initial file name'],
  ...['servercertificate', 'server certificate'],
];

type Word = (name: keyof typeof words) => string | undefined;

function wordOf(entries: ReadonlyMap<string, string>): Word {
  return (name) =>
    words[name].map((key) => entries.get(key)).find((value) => value !== undefined && value !== '');
}

function optionsOf(word: Word): Options {
  return {
    schema: word('schema') ?? 'dbo',
    encrypt: encryption(word('encrypt')),
    trustServerCertificate: isYes(word('trust')),
    hostNameInCertificate: word('certificateName'),
    connectTimeoutMs: connectTimeout(word('timeout')),
    multiSubnetFailover: word('multiSubnet') === undefined || isYes(word('multiSubnet')),
    readOnlyIntent: isReadOnly(word('intent')),
  };
}

export function isMssql(text: string): boolean {
  return /^mssql:/i.test(text) || isAdo(text);
}

export function parseMssql(text: string): MssqlUrl {
  return isAdo(text) && !/^mssql:/i.test(text) ? parseAdo(text) : parseUrl(text);
}

function isAdo(text: string): boolean {
  return /(^|;)\s*(server|data source|addr(ess)?|network address)\s*=/i.test(text);
}

/** A connection string of ADO.NET; what keyturn does not need (pool sizes, retries…) is ignored. */
function parseAdo(text: string): MssqlUrl {
  const entries = readAdo(text);
  const word = wordOf(entries);
  const refused = unsupported.find((key) => entries.get(key));
  if (refused !== undefined)
    throw invalidUrl(`the connection string has ${refused}, which keyturn does not support`, {
      hint: 'name the server that is to be used, and leave this out',
    });
  const authentication = word('authentication');
  if (isYes(word('integrated')) || (authentication && !/^sql ?password$/i.test(authentication)))
    throw invalidUrl(
      'the connection string uses Windows or Entra ID authentication, which keyturn does not support',
      {
        hint: 'use a SQL Server login: User Id=…, with its password in KEYTURN_DATABASE_PASSWORD',
      },
    );
  const server = word('server');
  if (server === undefined)
    throw invalidUrl('the connection string does not name a server', { hint: `write it as ${shapes}` });
  return {
    ...place(server),
    user: word('user'),
    password: word('password'),
    database: word('database'),
    ...optionsOf(word),
  };
}

/** The options of a URL; `password` is for a password that is hard to encode. */
const parameters = [
  ...['schema', 'instance', 'encrypt', 'trustServerCertificate', 'hostNameInCertificate'],
  ...['connectTimeout', 'multiSubnetFailover', 'applicationIntent', 'password'],
];

function parseUrl(text: string): MssqlUrl {
  // The host of a URL cannot contain the backslash before an instance
  const { url } = partsOf(text.replaceAll('\\', '%5C'), shapes);
  const query = new Map([...url.searchParams].map(([name, value]) => [name.toLowerCase(), value]));
  const unknown = [...query.keys()].find((name) => !parameters.some((known) => known.toLowerCase() === name));
  if (unknown !== undefined)
    throw invalidUrl(`the database URL has an unknown parameter ${unknown}`, {
      hint: `use only ${parameters.join(', ')}`,
    });
  const word = wordOf(query);
  const { host, instance } = place(hostOf(url) || 'localhost');
  const named = instance ?? word('instance');
  return {
    host,
    instance: named,
    port: url.port === '' ? (named === undefined ? 1433 : undefined) : Number(url.port),
    user: decode(url.username) || undefined,
    password: decode(url.password) || word('password'),
    database: decode(url.pathname.slice(1)) || undefined,
    ...optionsOf(word),
  };
}

/** For people: without the password. */
export function describeMssql(url: MssqlUrl): string {
  const host = url.host.includes(':') ? `[${url.host}]` : url.host;
  const port = url.port === undefined ? '' : `:${url.port}`;
  const query = [
    ...(url.instance === undefined ? [] : [`instance=${encodeURIComponent(url.instance)}`]),
    `schema=${encodeURIComponent(url.schema)}`,
    ...(url.encrypt === true ? [] : [`encrypt=${url.encrypt}`]),
    ...(url.trustServerCertificate ? ['trustServerCertificate=true'] : []),
    ...(url.hostNameInCertificate === undefined
      ? []
      : [`hostNameInCertificate=${encodeURIComponent(url.hostNameInCertificate)}`]),
    ...(url.connectTimeoutMs === defaultConnectMs ? [] : [`connectTimeout=${url.connectTimeoutMs / 1_000}`]),
    ...(url.multiSubnetFailover ? [] : ['multiSubnetFailover=false']),
    ...(url.readOnlyIntent ? ['applicationIntent=ReadOnly'] : []),
  ];
  return `mssql://${userText(url.user)}${host}${port}/${encodeURIComponent(url.database ?? '')}?${query.join('&')}`;
}

/** `[tcp:]host[\instance][,port]`; a port takes precedence over the name of an instance. */
function place(server: string): Pick<MssqlUrl, 'host' | 'instance' | 'port'> {
  if (/^(np|lpc|admin):|^\\\\/i.test(server))
    throw invalidUrl('keyturn does not support named pipes or shared memory', {
      hint: 'use TCP: Server=tcp:host,1433',
    });
  const parts = /^(?:tcp:)?([^\\,]+)(?:\\([^,]+))?(?:,\s*(\d+))?$/i.exec(server.trim());
  if (parts === null)
    throw invalidUrl('the server name in the database URL is malformed', { hint: `write it as ${shapes}` });
  const [, host = '', instance, port] = parts.map((part) => part?.trim());
  return {
    host: /^(\.|\(local\))$/i.test(host) ? 'localhost' : host,
    instance: port === undefined ? instance : undefined,
    port: port === undefined ? (instance === undefined ? 1433 : undefined) : Number(port),
  };
}

/**
 * Not the parser of the mssql package: it takes what follows an empty value for that value, so that `Server=;Password=…`
 * would put the password into every message.
 */
function readAdo(text: string): ReadonlyMap<string, string> {
  const entry =
    /[\s;]*([^=;]+?)\s*=\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|((?!["'])[^;]*?))\s*(?:;[\s;]*|$)/y;
  const entries = new Map<string, string>();
  while (entry.lastIndex < text.length) {
    const found = entry.exec(text);
    if (found === null)
      throw invalidUrl('the connection string is malformed', { hint: `write it as ${shapes}` });
    const [, key = '', double, single, bare] = found;
    const value = double?.replaceAll('""', '"') ?? single?.replaceAll("''", "'") ?? bare ?? '';
    entries.set(key.toLowerCase(), value);
  }
  return entries;
}

/** The words of SqlClient 5: https://learn.microsoft.com/en-us/sql/connect/ado-net/sqlclient-troubleshooting-guide */
function encryption(value: string | undefined): Encrypt {
  const word = value?.toLowerCase() || 'true';
  if (word === 'strict') return 'strict';
  if (['true', 'yes', 'mandatory'].includes(word)) return true;
  if (['false', 'no', 'optional'].includes(word)) return false;
  throw invalidUrl('the database URL has an unknown value of encrypt', {
    hint: 'use one of true, false, strict',
  });
}

const defaultConnectMs = 10_000;
const longestConnectSeconds = 600;

/** In seconds. 0 would mean without a limit: a server that is silent would never be given up. */
function connectTimeout(value: string | undefined): number {
  if (value === undefined) return defaultConnectMs;
  const seconds = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (seconds >= 1 && seconds <= longestConnectSeconds) return seconds * 1_000;
  throw invalidUrl('the database URL has an invalid connect timeout', {
    hint: `expected a number of seconds from 1 to ${longestConnectSeconds}`,
  });
}

function isReadOnly(value: string | undefined): boolean {
  const intent = value?.toLowerCase() ?? 'readwrite';
  if (intent === 'readonly' || intent === 'readwrite') return intent === 'readonly';
  throw invalidUrl('the database URL has an unknown value of ApplicationIntent', {
    hint: 'use one of ReadWrite, ReadOnly',
  });
}

function isYes(value: string | undefined): boolean {
  return ['true', 'yes', 'sspi'].includes(value?.toLowerCase() ?? '');
}
