import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { dump } from '../queue/redis-dump.ts';
import { manyPlain } from '../support/n8n/many.ts';
import { needing } from '../support/needing.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Distributed, instanceKey, until } from './distributed.ts';
import { keyturn } from './keyturn.ts';

const { test } = needing('redis-server');

let redis: RedisServer;
let site: Distributed;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
});
afterEach(async () => {
  await site.close();
  await redis.cli('flushall');
});

test.each(['Redis', 'the target database itself'])(
  'two workers rotate a database with the queue in %s',
  async (where) => {
    site = await Distributed.open(where === 'Redis' ? redis.url : null);
    const workers = [site.worker('--exit-when-done', '--json'), site.worker('--exit-when-done', '--json')];
    await Promise.all(workers.map(({ said }) => said(/^waiting for a run in postgres:/m)));
    const coordinator = site.rotate();
    expect(await coordinator.ended).toMatchObject({ code: 0 });
    for (const worker of workers) {
      const { code, stdout, stderr } = await worker.ended;
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const { chunks } = JSON.parse(stdout);
      expect(chunks).toMatchObject({ failed: 0 });
      expect(chunks.rotated + chunks.verified).toBeGreaterThan(0);
    }
    expect(await site.differences()).toEqual([]);
    expect(await site.completions()).toEqual({ once: true, open: 0 });
  },
);

test('a run waits for workers and says so; status shows them with their host', async () => {
  site = await Distributed.open(redis.url);
  const coordinator = site.rotate();
  await coordinator.said(/ waiting="no worker is taking chunks from redis:\/\/127\.0\.0\.1:\d+"/);
  expect((await site.status()).standing.waiting).toMatch(/^no worker is taking chunks/);
  const worker = site.worker('--exit-when-done');
  const release = await site.hold();
  await until(async () => (await site.waiting()) === null);
  await release();
  expect(await coordinator.ended).toMatchObject({ code: 0 });
  expect(await worker.ended).toMatchObject({ code: 0 });
  const { standing } = await site.status();
  expect(standing.workers).toMatchObject([
    { worker: expect.stringMatching(new RegExp(`^.+/${worker.child.pid}$`)) },
  ]);
  expect(await site.differences()).toEqual([]);
});

test('the coordinator can have its own threads in addition to the queue', async () => {
  site = await Distributed.open(redis.url);
  const coordinator = site.rotate('--workers', '2');
  expect(await coordinator.ended).toMatchObject({ code: 0 });
  expect(await site.differences()).toEqual([]);
});

test('after the coordinator is killed, workers continue and resume finishes the run; a second coordinator is refused', async () => {
  site = await Distributed.open(redis.url);
  const worker = site.worker('--exit-when-done');
  const first = site.rotate();
  await site.rotated(5);
  const release = await site.hold();
  const second = await site.resume().ended;
  expect(second).toMatchObject({ code: 4, stderr: expect.stringContaining('another keyturn process') });
  first.child.kill('SIGKILL');
  await first.ended;
  const [before] = await site.database.exec(rotatedChunks);
  await release();
  await until(async () => Number((await site.database.exec(rotatedChunks))[0]?.n) > Number(before?.n) + 5);
  const resumed = await site.resume().ended;
  expect({ code: resumed.code, stderr: resumed.stderr }).toMatchObject({ code: 0 });
  expect(await worker.ended).toMatchObject({ code: 0 });
  expect(await site.differences()).toEqual([]);
  expect(await site.completions()).toEqual({ once: true, open: 0 });
});

test('the chunks of a killed worker and of a frozen worker are taken by another', async () => {
  site = await Distributed.open(redis.url);
  const [killed, stopped, left] = [site.worker(), site.worker(), site.worker('--exit-when-done')];
  const coordinator = site.rotate();
  await site.rotated(5);
  const release = await site.hold();
  // Now each has a chunk and waits for the table.
  await until(async () => Number((await site.database.exec(waitingWriters))[0]?.n) === 3);
  killed?.child.kill('SIGKILL');
  stopped?.child.kill('SIGSTOP');
  await release();
  expect(await coordinator.ended).toMatchObject({ code: 0 });
  expect(await left?.ended).toMatchObject({ code: 0 });
  const { standing } = await site.status();
  expect(standing).toMatchObject({ waiting: null });
  stopped?.child.kill('SIGCONT');
  stopped?.child.kill('SIGTERM');
  expect(await stopped?.ended).toMatchObject({ code: 0 });
  expect(await site.differences()).toEqual([]);
  expect(await site.completions()).toEqual({ once: true, open: 0 });
});

test('a flushed Redis is noticed, and all chunks are offered again', async () => {
  site = await Distributed.open(redis.url);
  const worker = site.worker('--exit-when-done');
  const coordinator = site.rotate();
  await site.rotated(5);
  const release = await site.hold();
  await redis.cli('flushall');
  await until(
    async () =>
      (await site.database.exec("select 1 from keyturn_event where event = 'queue-lost'")).length > 0,
  );
  await release();
  expect(await coordinator.ended).toMatchObject({ code: 0 });
  expect(await worker.ended).toMatchObject({ code: 0 });
  expect(await site.differences()).toEqual([]);
  expect(await site.completions()).toEqual({ once: true, open: 0 });
});

test('Redis, arguments, metrics and logs contain no key and no plaintext', async () => {
  site = await Distributed.open(redis.url);
  const log = (name: string): string[] => ['--log-file', site.file(name), '--log-level', 'debug'];
  const worker = site.worker('--exit-when-done', '--health-file', site.file('health'), ...log('worker.log'));
  const coordinator = site.rotate('--metrics-port', '0', ...log('coordinator.log'));
  await site.rotated(5);
  const release = await site.hold();
  const held = await dump(redis);
  expect(held).toMatch(/keyturn:keyturn-chunks:/);
  const [, metrics = ''] = /^metrics at (\S+)$/m.exec(coordinator.output()) ?? [];
  const texts = [
    held,
    await (await fetch(metrics)).text(),
    readFileSync(site.file('health'), 'utf8'),
    processes(),
  ];
  await release();
  texts.push(await dump(redis));
  for (const { ended } of [coordinator, worker]) {
    const { code, stdout, stderr } = await ended;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    texts.push(stdout, stderr);
  }
  texts.push(...['worker.log', 'coordinator.log'].map((name) => readFileSync(site.file(name), 'utf8')));
  const secrets = [instanceKey, readFileSync(site.file('new.key'), 'utf8').trim()];
  for (let number = 0; number < 3_000; number++) secrets.push(JSON.parse(manyPlain(number)).password);
  const everything = texts.join('\n');
  expect(secrets.filter((secret) => everything.includes(secret))).toEqual([]);
  expect(everything).toMatch(/"target":"credentials_entity".*"msg":"chunk rotated"/);
});

test('an unreachable queue is refused in time without showing its password; during a run it is waited for', async () => {
  site = await Distributed.open(redis.url);
  const started = performance.now();
  const place = ['--database', site.database.url, '--queue', 'redis://user:the-password@127.0.0.1:1'];
  const refused = await keyturn(['resume', ...place, ...site.keys], { cwd: site.path });
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('redis://user@127.0.0.1:1') });
  expect(refused.stderr).not.toContain('the-password');
  expect(performance.now() - started).toBeLessThan(30_000);

  const worker = site.worker('--exit-when-done');
  const coordinator = site.rotate();
  await site.rotated(5);
  await redis.kill();
  await until(async () => /is unreachable/.test((await site.waiting()) ?? ''));
  await redis.restart();
  expect(await coordinator.ended).toMatchObject({ code: 0 });
  expect(await worker.ended).toMatchObject({ code: 0 });
  expect(await site.differences()).toEqual([]);
});

test('a dry run refuses a queue', async () => {
  site = await Distributed.open(redis.url);
  expect(await site.rotate('--dry-run').ended).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('a dry run runs in this process only'),
  });
});

const rotatedChunks = "select count(*)::int as n from keyturn_chunk where state <> 'planned'";
const waitingWriters =
  "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ilike '%update%credentials_entity%'";

/** The arguments of all processes on this machine. */
function processes(): string {
  const texts = readdirSync('/proc').map((pid) => {
    try {
      return /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '';
    } catch {
      return '';
    }
  });
  return texts.join('\n');
}
