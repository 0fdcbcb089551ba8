import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { createRedisBackend, Queue, RedisConnection, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import {
  connectCopies,
  endForGood,
  isOffline,
  stopLockRenewal,
  withItsCopies,
} from '../../src/queue/internals.ts';
import type { AnyBackend, JobWorker } from '../../src/queue/job-store.ts';
import { needing } from '../support/needing.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { until } from './desk.ts';

const { test } = needing('redis-server');

/*
 * src/queue/internals.ts uses parts of BullMQ and ioredis that they do not document. An upgrade that moves one of them
 * must fail here, and not in a run.
 */

const backend = createRedisBackend as unknown as AnyBackend;
const name = 'internals';
let redis: RedisServer;
let client: Redis;

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  client.disconnect();
  await redis.cli('flushall');
});
afterAll(async () => redis.stop());

/** A client as BullMQ needs it. */
function connect(
  options: { readonly enableOfflineQueue?: boolean; readonly commandTimeout?: number } = {},
): Redis {
  client = new Redis(redis.url, { maxRetriesPerRequest: null, ...options });
  client.on('error', () => undefined);
  return client;
}

test('BullMQ uses the client itself, and copies that it makes with its `duplicate`', async () => {
  const clients = withItsCopies(connect());
  const base = { connection: client, skipVersionCheck: true };
  const worker = new Worker(name, async () => undefined, base, backend);
  worker.on('error', () => undefined);
  await worker.waitUntilReady();
  await until(() => clients.length === 2 && clients.every(({ status }) => status === 'ready'));
  const ids = (await redis.cli('client', 'list')).match(/^id=\d+/gm) ?? [];
  // And that of redis-cli: there are no connections that withItsCopies does not know.
  expect(ids).toHaveLength(3);
  for (const each of clients) endForGood(each);
  await worker.close(true);
});

test('BullMQ cannot connect a client again that is ended for good', async () => {
  connect();
  await client.ping();
  const connection = new RedisConnection(client as never, { shared: true, skipVersionCheck: true } as never);
  await connection.client;
  endForGood(client);
  await until(() => client.status === 'end');
  await expect(connection.reconnect()).rejects.toThrow('closed');
  expect(client.status).toBe('end');
});

test('copies of a client that never connects do connect', async () => {
  client = new Redis(redis.url, { lazyConnect: true });
  connectCopies(client);
  const copy = client.duplicate();
  await until(() => copy.status === 'ready');
  expect(client.status).toBe('wait');
  copy.disconnect();
});

test('without the renewal of its lock, the job of a worker is given to others', async () => {
  const base = { connection: connect(), skipVersionCheck: true };
  const jobs = new Queue(name, base, backend);
  const worker = new Worker(
    name,
    () => new Promise<never>(() => undefined),
    { ...base, lockDuration: 400 },
    backend,
  );
  worker.on('error', () => undefined);
  const renewed = new Promise((resolve) => worker.once('locksRenewed', resolve));
  await jobs.add('chunk', {}, { jobId: 'one' });
  await renewed;
  const lock = `bull:${name}:one:lock`;
  expect(await redis.cli('exists', lock)).toBe('1');
  await stopLockRenewal(worker as unknown as JobWorker);
  await until(async () => (await redis.cli('exists', lock)) === '0');
  await worker.close(true);
  await jobs.close();
});

test('a command without a connection fails with a message that counts as offline', async () => {
  const failureOf = async (command: Promise<unknown>): Promise<unknown> =>
    command.then(
      () => null,
      (error: unknown) => error,
    );
  // It is not connected yet.
  const early = await failureOf(connect({ enableOfflineQueue: false }).ping());
  await until(() => client.status === 'ready');
  await redis.cli('client', 'pause', '3000');
  client.options.commandTimeout = 50;
  const hung = await failureOf(client.ping());
  await redis.cli('client', 'unpause');
  client.disconnect();
  const closed = await failureOf(client.ping());
  expect([early, hung, closed].map(isOffline)).toEqual([true, true, true]);
  expect(isOffline(new Error('WRONGPASS'))).toBe(false);
});
