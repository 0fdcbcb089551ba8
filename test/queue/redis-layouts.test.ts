import { afterEach, expect } from '@jest/globals';
import { BullmqQueue } from '../../src/queue/bullmq.ts';
import { consume } from '../../src/queue/consumer.ts';
import { complaints } from '../../src/queue/redis-store.ts';
import { hints } from '../contract/queue.ts';
import { needing } from '../support/needing.ts';
import { startRedis, startRedisCluster, startRedisSentinel } from '../support/redis.ts';
import { Desk, until } from './desk.ts';
import { dump } from './redis-dump.ts';

const { test } = needing('redis-server');

const endings: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

async function started<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const it = await starting;
  endings.push(() => it.stop());
  return it;
}

/** The queue of a coordinator, with one worker. */
async function shop(
  url: string,
  password?: string,
): Promise<{ queue: BullmqQueue; desk: Desk; warnings: string[] }> {
  const warnings: string[] = [];
  const options = {
    warn: (text: string) => warnings.push(text),
    ...(password === undefined ? {} : { password }),
  };
  const queue = await BullmqQueue.open(url, options);
  endings.push(() => queue.close());
  const desk = new Desk();
  const pool = await desk.pool(1);
  endings.push(() => pool.close());
  const worker = await consume(
    url,
    { ...options, concurrency: 1, lockMs: 2_000, onError: () => undefined },
    (hint) => pool.take(hint),
  );
  endings.push(() => worker.close());
  return { queue, desk, warnings };
}

async function worksOff(queue: BullmqQueue, desk: Desk, from: number, to: number): Promise<void> {
  await until(async () => {
    await queue.offer(hints(from, to));
    await queue.settled(100);
    return desk.chunks.filter((chunk) => chunk >= from && chunk <= to).length === to - from + 1;
    // Sentinel retries a failed failover after 6 s.
  }, 60_000);
}

test('TLS works with a private CA and with a client certificate', async () => {
  const redis = await started(startRedis({ tls: true }));
  const { queue, desk, warnings } = await shop(redis.url);
  await worksOff(queue, desk, 1, 20);
  expect(warnings).toEqual([]);
  await expect(BullmqQueue.open(`rediss://127.0.0.1:${redis.port}`)).rejects.toMatchObject({
    code: 'queue-unreachable',
    message: expect.stringMatching(/no encrypted connection/),
  });
  await expect(BullmqQueue.open(`rediss://127.0.0.1:${redis.port}?ca=/nowhere.pem`)).rejects.toMatchObject({
    code: 'queue-url',
    message: expect.stringMatching('nowhere.pem'),
  });
  await redis.cli('config', 'set', 'tls-auth-clients', 'yes');
  await expect(BullmqQueue.open(redis.url)).rejects.toMatchObject({ code: 'queue-unreachable' });
  const own = redis.ca.replace('ca.pem', 'server');
  const known = await shop(`${redis.url}&cert=${own}.pem&key=${own}.key`);
  await worksOff(known.queue, known.desk, 21, 22);
});

test('an ACL user with few permissions, and a password from outside the URL', async () => {
  const redis = await started(
    startRedis({ acl: '~keyturn:* resetchannels +@all -@admin -@dangerous +info +client|list' }),
  );
  const { queue, desk, warnings } = await shop(`redis://keyturn@127.0.0.1:${redis.port}`, 'keyturn-test');
  await worksOff(queue, desk, 1, 20);
  expect(await queue.workers()).toBe(1);
  expect(warnings).toEqual([]);
  expect(queue.place).toBe(`redis://keyturn@127.0.0.1:${redis.port}`);
  const started_ = performance.now();
  await expect(BullmqQueue.open(redis.url.replace('keyturn-test', 'hunter2'))).rejects.toMatchObject({
    code: 'queue-unreachable',
    message: expect.stringMatching(/rejected the login \(WRONGPASS/),
  });
  expect(performance.now() - started_).toBeLessThan(3_000);
});

test('two prefixes separate two databases', async () => {
  const redis = await started(startRedis());
  const one = await shop(`${redis.url}?prefix=one`);
  const two = await shop(`${redis.url}?prefix=two`);
  await worksOff(one.queue, one.desk, 1, 10);
  expect(two.desk.takes).toBe(0);
  expect(await one.queue.workers()).toBe(1);
  const keys = (await redis.cli('--scan')).split('\n');
  expect(keys.filter((key) => !/^(one|two):keyturn-chunks:/.test(key))).toEqual([]);
});

test('a Redis that may evict keys, or hides its settings, is warned of with what to change', async () => {
  const redis = await started(startRedis({ config: ['maxmemory-policy allkeys-lru'] }));
  const { warnings } = await shop(redis.url);
  expect(warnings[0]).toMatch(/maxmemory-policy is allkeys-lru.*set it to noeviction/);
  await redis.cli('config', 'set', 'maxmemory-policy', 'noeviction');
  await redis.cli('acl', 'setuser', 'blind', 'on', '>pw', '~keyturn:*', '+@all', '-info');
  const blind = await shop(redis.url.replace('redis://', 'redis://blind:pw@'));
  expect(blind.warnings[0]).toMatch(/cannot be checked: grant \+info/);
});

test.each([
  ['6.0.16', [expect.stringMatching(/^Redis 6\.0\.16 is older than 6\.2: upgrade it/)]],
  ['5.9.9', [expect.stringMatching(/^Redis 5\.9\.9 is older/)]],
  ['6.2.0', []],
  ['10.0.1', []],
])('the warnings for Redis %s are %j', (version, expected) => {
  expect(complaints(`redis_version:${version}\r\nmaxmemory_policy:noeviction\r\n`)).toEqual(expected);
});

test('the queue waits for a full Redis', async () => {
  const redis = await started(startRedis());
  const { queue, desk } = await shop(redis.url);
  await worksOff(queue, desk, 1, 1);
  await redis.cli('config', 'set', 'maxmemory', '1');
  await queue.offer(hints(2, 2));
  expect(queue.waiting()).toMatch(/OOM/);
  await redis.cli('config', 'set', 'maxmemory', '0');
  await worksOff(queue, desk, 2, 5);
  await until(() => queue.waiting() === null);
});

test('with Sentinel, work continues on the replica when the master dies', async () => {
  const group = await started(startRedisSentinel());
  const { queue, desk, warnings } = await shop(group.url);
  await worksOff(queue, desk, 1, 10);
  expect(warnings).toEqual([]);
  await group.servers[0]?.kill();
  await worksOff(queue, desk, 11, 20);
  expect(await dump(group.servers[1]!)).toContain('keyturn-chunks');
});

test('on a cluster, all keys are in one slot', async () => {
  const group = await started(startRedisCluster());
  const { queue, desk, warnings } = await shop(group.url);
  await worksOff(queue, desk, 1, 20);
  await until(async () => (await queue.workers()) === 1);
  expect(warnings).toEqual([]);
  const holding = await Promise.all(group.servers.map((server) => server.cli('dbsize')));
  expect(holding.filter((size) => size !== '0').length).toBe(1);
  await until(async () => {
    for (const server of group.servers) await server.cli('flushall').catch(() => '');
    return !(await queue.intact());
  });
  await worksOff(queue, desk, 21, 30);
});
