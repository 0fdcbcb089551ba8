import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { connectCopies } from './internals.ts';
import type { RedisUrl } from './queue-url.ts';
import { isHopeless, patienceMs } from './unreachable.ts';

export type RedisClient = Redis | Cluster;

// The types of the client depend on the value of this option.
type Options = Omit<RedisOptions, 'replyMapping'>;

/**
 * `offering`: a command fails immediately while Redis is unreachable, so that the coordinator can report it.
 * `waiting`: commands wait until Redis is back. `template`: never connects; BullMQ duplicates it.
 */
export type ClientUse = 'offering' | 'waiting' | 'template';

export interface Credentials {
  readonly password: string | undefined;
  readonly tls: { ca?: string; cert?: string; key?: string } | null;
  /** Whether the user may run INFO, which shows whether Redis is still loading its data. */
  readonly hasInfo: boolean;
}

const retry = (times: number): number => Math.min(times * 100, 2_000);

/** A client that connects and reconnects by itself. The caller listens to its errors. */
export function redisClient(url: RedisUrl, credentials: Credentials, use: ClientUse): RedisClient {
  const { password, tls, hasInfo } = credentials;
  const offline = {
    enableOfflineQueue: use !== 'offering',
    enableReadyCheck: hasInfo,
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
  if (use === 'template') connectCopies(client);
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
    // A TLS certificate names hosts, not the addresses that they resolve to.
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

/** Resolves when the client is ready. Rejects after `patienceMs`, or immediately if waiting would not help. */
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
