import { afterAll, afterEach, beforeAll, expect, jest } from '@jest/globals';
import { Worker } from 'bullmq';
import { BullmqQueue } from '../../src/queue/bullmq.ts';
import { consume } from '../../src/queue/consumer.ts';
import { hints } from '../contract/queue.ts';
import { needing } from '../support/needing.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Desk, until } from './desk.ts';

const { test } = needing('redis-server');

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await redis.cli('flushall');
});
afterAll(async () => redis.stop());

/** A worker as in the BullMQ issues 4479 and 4585: alive and connected, but it takes nothing. */
function wedge(times: number): void {
  const { run } = Worker.prototype;
  let made = 0;
  jest.spyOn(Worker.prototype, 'run').mockImplementation(function (this: Worker) {
    return ++made > times ? run.call(this) : new Promise<void>(() => undefined);
  });
}

test('a wedged worker is replaced', async () => {
  wedge(1);
  const queue = await BullmqQueue.open(redis.url);
  const desk = new Desk();
  const pool = await desk.pool(1);
  const errors: string[] = [];
  const consumer = await consume(
    redis.url,
    { concurrency: 1, wedgedMs: 1_500, onError: (error) => errors.push(error.message) },
    (hint) => pool.take(hint),
  );
  await queue.offer(hints(1, 3));
  await until(() => desk.chunks.length === 3);
  expect(errors).toEqual([expect.stringMatching(/this worker receives none: reconnecting/)]);
  await consumer.close();
  await consumer.ended;
  await pool.close();
  await queue.close();
});

test('the consumer gives up if its worker stays wedged', async () => {
  wedge(100);
  const queue = await BullmqQueue.open(redis.url);
  await queue.offer(hints(1, 3));
  const consumer = await consume(
    redis.url,
    { concurrency: 1, wedgedMs: 150, onError: () => undefined },
    async () => undefined,
  );
  await expect(consumer.ended).rejects.toMatchObject({ code: 'worker-wedged', exitCode: 3 });
  await queue.close();
});

test('a worker that is busy or idle is not wedged', async () => {
  const queue = await BullmqQueue.open(redis.url);
  const desk = new Desk('shut');
  const pool = await desk.pool(1);
  const errors: string[] = [];
  const consumer = await consume(
    redis.url,
    { concurrency: 1, wedgedMs: 1_500, onError: (error) => errors.push(error.message) },
    (hint) => pool.take(hint),
  );
  await queue.offer(hints(1, 3));
  await until(() => desk.takes === 1);
  await queue.settled(2_000);
  desk.open();
  await until(() => desk.chunks.length === 3);
  await queue.settled(1);
  await queue.settled(2_000);
  expect(errors).toEqual([]);
  await consumer.close();
  await pool.close();
  await queue.close();
});

test('a signal closes the consumer after the hint in hand', async () => {
  const queue = await BullmqQueue.open(redis.url);
  const stop = new AbortController();
  const desk = new Desk('shut');
  const pool = await desk.pool(1);
  const consumer = await consume(
    redis.url,
    { concurrency: 1, signal: stop.signal, onError: () => undefined },
    (hint) => pool.take(hint),
  );
  await queue.offer(hints(1, 3));
  await until(() => desk.takes === 1);
  stop.abort();
  desk.open();
  await consumer.ended;
  expect(desk.takes).toBe(1);
  expect(consumer.busy).toBe(0);
  await pool.close();
  await queue.drain();
  await queue.close();
});

test('a job that is not a valid hint does no harm', async () => {
  const queue = await BullmqQueue.open(redis.url);
  const errors: string[] = [];
  const taken: number[] = [];
  const consumer = await consume(
    redis.url,
    { concurrency: 1, onError: (error) => errors.push(error.message) },
    async ({ chunk }) => {
      taken.push(chunk);
    },
  );
  await queue.offer([{ run: 'r', chunk: 'drop table' as unknown as number, generation: 1 }]);
  await until(() => errors.includes('the job is not a valid hint'));
  await queue.offer(hints(1, 1));
  await until(() => taken.length === 1);
  await consumer.close();
  await queue.close();
});
