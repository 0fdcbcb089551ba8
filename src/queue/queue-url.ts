import { KeyturnError } from '../error.ts';
import type { SslMode, TlsFiles } from '../tls.ts';

interface Host {
  readonly host: string;
  readonly port: number;
}

export interface RedisUrl {
  readonly engine: 'redis';
  readonly layout: 'single' | 'sentinel' | 'cluster';
  /** One host, the sentinels, or some nodes of the cluster. */
  readonly hosts: readonly Host[];
  /** The name of the master for Sentinel. */
  readonly master: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly sentinelUser: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly database: number;
  readonly tls: TlsFiles | null;
  /** The prefix of all Redis keys. On a cluster it is in braces, so that all keys are in one slot. */
  readonly prefix: string;
}

export interface PostgresQueueUrl {
  readonly engine: 'postgres';
  /** The URL without the parameters of keyturn and of TLS. */
  readonly url: URL;
  readonly schema: string;
  readonly sslMode: SslMode;
  readonly tls: TlsFiles;
}

export type QueueUrl = RedisUrl | PostgresQueueUrl;

const shapes =
  'redis://host:6379, rediss://user@host:6379?ca=ca.pem, redis+sentinel://host:26379,host:26379/name, redis+cluster://host:6379,host:6379 or postgres://user@host:5432/database';
const sslModes: readonly SslMode[] = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

/** The messages in this file never repeat the URL, because it can contain a password. */
export function parseQueueUrl(text: string): QueueUrl {
  const parts = /^([a-z][a-z0-9+.-]*):\/\/(?:([^@/]*)@)?([^/?#]*)([^?#]*)(\?[^#]*)?$/i.exec(text);
  const [, scheme = '', login = '', hosts = '', path = '', query = ''] = parts ?? [];
  const redis = /^redis(s?)(?:\+(sentinel|cluster))?$/i.exec(scheme);
  if (redis !== null) {
    const layout = (redis[2]?.toLowerCase() ?? 'single') as RedisUrl['layout'];
    return parseRedis({ layout, tls: redis[1] !== '', login, hosts, path, query });
  }
  if (/^postgres(ql)?$/i.test(scheme)) return parsePostgres(text);
  throw invalid(scheme === '' ? 'the queue URL is malformed' : `unknown queue engine ${scheme}`);
}

/** The address for people, without a password. */
export function describeQueueUrl(url: QueueUrl): string {
  if (url.engine === 'postgres') {
    const { username, host, pathname } = url.url;
    return `postgres://${username === '' ? '' : `${username}@`}${host}${pathname}?queueSchema=${url.schema}`;
  }
  const layout = url.layout === 'single' ? '' : `+${url.layout}`;
  const user = url.user === undefined ? '' : `${encodeURIComponent(url.user)}@`;
  const hosts = url.hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`);
  const path =
    url.layout === 'sentinel' ? `/${url.master ?? ''}` : url.database === 0 ? '' : `/${url.database}`;
  return `redis${url.tls === null ? '' : 's'}${layout}://${user}${hosts.join(',')}${path}`;
}

interface RedisParts {
  readonly layout: RedisUrl['layout'];
  readonly tls: boolean;
  readonly login: string;
  readonly hosts: string;
  readonly path: string;
  readonly query: string;
}

function parseRedis({ layout, tls, login, hosts, path, query }: RedisParts): RedisUrl {
  const params = parameters(query, ['prefix', 'db', 'ca', 'cert', 'key', 'sentinelUser', 'sentinelPassword']);
  const [user, password] = loginOf(login);
  const name = decode(path.slice(1));
  const master = layout === 'sentinel' ? name : undefined;
  if (master === '') throw invalid('the queue URL has no name of the Sentinel master');
  const database = (layout === 'sentinel' ? '' : name) || params.get('db') || '0';
  if (!/^\d{1,4}$/.test(database)) throw invalid('the Redis database in the queue URL is not a number');
  if (layout === 'cluster' && Number(database) !== 0) throw invalid('a Redis Cluster has only database 0');
  const files = tlsFiles(params, ['ca', 'cert', 'key']);
  if (!tls && Object.keys(files).length > 0)
    throw invalid('the queue URL has TLS files, but its scheme is without TLS', 'use rediss://');
  return {
    engine: 'redis',
    layout,
    hosts: hostsOf(hosts, layout),
    master,
    user,
    password,
    sentinelUser: params.get('sentinelUser') || undefined,
    sentinelPassword: params.get('sentinelPassword') || undefined,
    database: Number(database),
    tls: tls ? files : null,
    prefix: prefixOf(params.get('prefix') || 'keyturn', layout),
  };
}

function hostsOf(text: string, layout: RedisUrl['layout']): Host[] {
  const hosts = text.split(',').map((each) => {
    const found = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/i.exec(each);
    if (found === null) throw invalid('the queue URL has a malformed host');
    return {
      host: found[1] ?? found[2] ?? '',
      port: Number(found[3] ?? (layout === 'sentinel' ? 26379 : 6379)),
    };
  });
  if (layout === 'single' && hosts.length > 1)
    throw invalid('the queue URL has several hosts', 'use redis+sentinel:// or redis+cluster://');
  return hosts;
}

function loginOf(login: string): [user: string | undefined, password: string | undefined] {
  const [user = '', ...rest] = login.split(':');
  return [decode(user) || undefined, decode(rest.join(':')) || undefined];
}

function prefixOf(prefix: string, layout: RedisUrl['layout']): string {
  if (!/^[\w.:{}-]{1,100}$/.test(prefix))
    throw invalid('the prefix in the queue URL may contain only letters, digits and . : _ - { }');
  return layout !== 'cluster' || /\{[^}]+\}/.test(prefix) ? prefix : `{${prefix}}`;
}

function parsePostgres(text: string): PostgresQueueUrl {
  if (!URL.canParse(text)) throw invalid('the queue URL is malformed');
  const url = new URL(text);
  const taken = (name: string): string | undefined => {
    const value = url.searchParams.get(name);
    url.searchParams.delete(name);
    return value || undefined;
  };
  // The URL of the database can be used for the queue too; its `schema` is that of the application.
  const application = taken('schema') ?? 'public';
  const schema = taken('queueSchema') ?? 'keyturn_queue';
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema))
    throw invalid('queueSchema in the queue URL must be a plain lower-case name');
  if (schema === application || schema === 'public')
    throw invalid('the queue needs its own PostgreSQL schema', 'remove queueSchema, or use another schema');
  const mode = taken('sslmode') ?? 'disable';
  const sslMode = sslModes.find((known) => known === mode);
  if (sslMode === undefined)
    throw invalid('the sslmode in the queue URL is unknown', `use one of ${sslModes.join(', ')}`);
  const files = { ca: taken('sslrootcert'), cert: taken('sslcert'), key: taken('sslkey') };
  const tls = Object.fromEntries(Object.entries(files).filter(([, path]) => path !== undefined));
  return { engine: 'postgres', url, schema, sslMode, tls };
}

function parameters(query: string, known: readonly string[]): URLSearchParams {
  const params = new URLSearchParams(query);
  const unknown = [...params.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid('the queue URL has an unknown parameter', `the parameters are ${known.join(', ')}`);
  return params;
}

function tlsFiles(params: URLSearchParams, names: readonly (keyof TlsFiles)[]): TlsFiles {
  return Object.fromEntries(names.flatMap((name) => (params.get(name) ? [[name, params.get(name)]] : [])));
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw invalid('the queue URL has an invalid % sign', 'write %25 for a literal %', cause);
  }
}

function invalid(message: string, hint = `write it as ${shapes}`, cause?: unknown): KeyturnError {
  return new KeyturnError('queue-url', message, { hint, cause });
}
