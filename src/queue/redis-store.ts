import { createRedisBackend, Queue, QueueEvents, Worker } from 'bullmq';
import { readTls } from '../tls.ts';
import { within } from '../within.ts';
import { endForGood, withItsCopies } from './internals.ts';
import { type AnyBackend, type JobStore, type Opened, queueName, type StoreOptions } from './job-store.ts';
import { describeQueueUrl, type RedisUrl } from './queue-url.ts';
import { type ClientUse, type Credentials, type RedisClient, reach, redisClient } from './redis-client.ts';
import { describeTrouble, unreachable } from './unreachable.ts';

const backend = createRedisBackend as unknown as AnyBackend;

export async function openRedisStore(url: RedisUrl, options: StoreOptions): Promise<JobStore> {
  const place = describeQueueUrl(url);
  const tls = url.tls === null ? null : await readTls(url.tls, 'queue');
  const credentials = { password: url.password ?? options.password, tls };
  const probe = redisClient(url, { ...credentials, hasInfo: false }, 'waiting');
  try {
    await reach(probe);
    const info = await infoOf(probe);
    for (const warning of complaints(info)) options.warn?.(`${place}: ${warning}`);
    return new RedisStore(url, { ...credentials, hasInfo: info !== null });
  } catch (error) {
    throw unreachable(place, error);
  } finally {
    probe.on('error', () => undefined);
    probe.disconnect();
  }
}

class RedisStore implements JobStore {
  readonly place: string;
  readonly #url: RedisUrl;
  readonly #credentials: Credentials;

  constructor(url: RedisUrl, credentials: Credentials) {
    this.place = describeQueueUrl(url);
    this.#url = url;
    this.#credentials = credentials;
  }

  openJobs(): ReturnType<JobStore['openJobs']> {
    return this.#open('offering', (base) => {
      return new Queue(queueName, { ...base, streams: { events: { maxLen: 1_000 } } }, backend);
    });
  }

  openEvents(): ReturnType<JobStore['openEvents']> {
    return this.#open('template', (base) => {
      return new QueueEvents(queueName, { ...base, blockingTimeout: 1_000 }, backend);
    });
  }

  openWorker(...[process, options]: Parameters<JobStore['openWorker']>): ReturnType<JobStore['openWorker']> {
    return this.#open('waiting', (base) => new Worker(queueName, process, { ...options, ...base }, backend));
  }

  async repair(): Promise<void> {
    // Redis keys are created when they are used.
  }

  #open<T extends { close(): Promise<void> }>(
    use: ClientUse,
    make: (base: { connection: unknown; prefix: string; skipVersionCheck: true }) => T,
  ): Opened<T> {
    const client = redisClient(this.#url, this.#credentials, use);
    const clients = withItsCopies(client);
    const it = make({ connection: client, prefix: this.#url.prefix, skipVersionCheck: true });
    return {
      it,
      close: async () => {
        await within(2_000, it.close());
        for (const each of clients) endForGood(each);
      },
    };
  }
}

/** The response of Redis to INFO; null: this user may not run it. */
async function infoOf(client: RedisClient): Promise<string | null> {
  try {
    return await client.info();
  } catch (error) {
    if (/NOPERM/.test(describeTrouble(error))) return null;
    throw error;
  }
}

/** Settings that BullMQ cannot work with reliably, from the response to INFO; null: this user may not run it. */
export function complaints(info: string | null): string[] {
  if (info === null) return ['version and eviction policy cannot be checked: grant +info'];
  const found = (name: string): string => new RegExp(`^${name}:(.*?)\\s*$`, 'm').exec(info)?.[1] ?? '';
  const version = found('redis_version');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const policy = found('maxmemory_policy');
  const warnings: string[] = [];
  if (major < 6 || (major === 6 && minor < 2))
    warnings.push(`Redis ${version} is older than 6.2: upgrade it, BullMQ is not tested with older versions`);
  if (policy !== 'noeviction')
    warnings.push(
      `maxmemory-policy is ${policy}, which can delete jobs of the queue: set it to noeviction (config set maxmemory-policy noeviction)`,
    );
  return warnings;
}
