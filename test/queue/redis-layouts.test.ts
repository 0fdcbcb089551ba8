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

/** A coordinator's queue with one worker at it. */
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
    // A sentinel whose failover comes to nothing tries again after 6 s
  }, 60_000);
}

test('TLS with a CA of its own, and with a certificate of the client', async () => {
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

test('an ACL user that may do little, and its password from elsewhere', async () => {
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

test('two prefixes keep two databases apart', async () => {
  const redis = await started(startRedis());
  const one = await shop(`${redis.url}?prefix=one`);
  const two = await shop(`${redis.url}?prefix=two`);
  await worksOff(one.queue, one.desk, 1, 10);
  expect(two.desk.takes).toBe(0);
  expect(await one.queue.workers()).toBe(1);
  const keys = (await redis.cli('--scan')).split('\n');
  expect(keys.filter((key) => !/^(one|two):keyturn-chunks:/.test(key))).toEqual([]);
});

test('a Redis that may evict, or is too old to say, is told with what to change', async () => {
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
])('Redis %s: %j', (version, expected) => {
  expect(complaints(`redis_version:${version}\r\nmaxmemory_policy:noeviction\r\n`)).toEqual(expected);
});

test('a full Redis is waited for', async () => {
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

test('Sentinel: work goes on with the replica when the master dies', async () => {
  const group = await started(startRedisSentinel());
  const { queue, desk, warnings } = await shop(group.url);
  await worksOff(queue, desk, 1, 10);
  expect(warnings).toEqual([]);
  await group.servers[0]?.kill();
  await worksOff(queue, desk, 11, 20);
  expect(await dump(group.servers[1]!)).toContain('keyturn-chunks');
});

test('Cluster: all keys are in one slot', async () => {
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
