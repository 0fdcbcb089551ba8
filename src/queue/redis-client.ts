import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import type { RedisUrl } from './queue-url.ts';
import { isHopeless, patienceMs } from './unreachable.ts';

export type RedisClient = Redis | Cluster;

// The types of the client depend on this option's value
type Options = Omit<RedisOptions, 'replyMapping'>;

/**
 * `offering`: a command fails at once while Redis is out of reach, so that the coordinator can say so.
 * `waiting`: commands wait until it is back. `template`: never connects, BullMQ duplicates it.
 */
export type ClientUse = 'offering' | 'waiting' | 'template';

export interface Credentials {
  readonly password: string | undefined;
  readonly tls: { ca?: string; cert?: string; key?: string } | null;
  /** The login may use INFO, by which a client sees whether Redis is still loading its data. */
  readonly mayAsk: boolean;
}

const retry = (times: number): number => Math.min(times * 100, 2_000);

/** A client that connects by itself, for ever; the caller listens to its errors. */
export function redisClient(url: RedisUrl, credentials: Credentials, use: ClientUse): RedisClient {
  const { password, tls, mayAsk } = credentials;
  const offline = {
    enableOfflineQueue: use !== 'offering',
    enableReadyCheck: mayAsk,
    lazyConnect: use === 'template',
  };
  const login: Options = {
    ...(url.user === undefined ? {} : { username: url.user }),
    ...(password === undefined ? {} : { password }),
    ...(tls === null ? {} : { tls }),
    connectTimeout: 5_000,
    disconnectTimeout: 100,
    keepAlive: 10_000,
    maxRetriesPerRequest: null,
    ...(use === 'offering' ? { commandTimeout: 5_000 } : {}),
  };
  const client =
    url.layout === 'cluster'
      ? new Cluster([...url.hosts], clusterOptions(login, offline))
      : new Redis({ ...login, ...offline, ...whereabouts(url, tls), db: url.database, retryStrategy: retry });
  // BullMQ's copies of a template connect like any other client
  if (use === 'template') client.options.lazyConnect = false;
  return client;
}

function clusterOptions(
  login: Options,
  offline: Pick<ClusterOptions, 'enableOfflineQueue' | 'enableReadyCheck' | 'lazyConnect'>,
): Omit<ClusterOptions, 'replyMapping' | 'redisOptions'> & { redisOptions: Options } {
  return {
    ...offline,
    redisOptions: login,
    clusterRetryStrategy: retry,
    slotsRefreshTimeout: 5_000,
    // With TLS the certificate names hosts, not the addresses they resolve to
    ...(login.tls === undefined ? {} : { dnsLookup: (address, callback) => callback(null, address) }),
  };
}

function whereabouts(url: RedisUrl, tls: Credentials['tls']): Options {
  const [first] = url.hosts;
  if (url.layout === 'single' || url.master === undefined) return { ...first };
  return {
    sentinels: [...url.hosts],
    name: url.master,
    sentinelRetryStrategy: retry,
    ...(url.sentinelUser === undefined ? {} : { sentinelUsername: url.sentinelUser }),
    ...(url.sentinelPassword === undefined ? {} : { sentinelPassword: url.sentinelPassword }),
    ...(tls === null ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  };
}

/** Resolves when the client can be used; rejects with what is wrong when that lasts, or when waiting would not help. */
export async function reach(client: RedisClient): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let last: unknown;
    const done = (end: () => void): void => {
      clearTimeout(timer);
      client.off('ready', onReady);
      client.off('error', onError);
      end();
    };
    const onReady = (): void => done(resolve);
    const onError = (error: unknown): void => {
      last = error;
      if (isHopeless(error)) done(() => reject(error));
    };
    const timer = setTimeout(() => done(() => reject(last)), patienceMs);
    client.on('ready', onReady);
    client.on('error', onError);
  });
}
