import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { BullmqQueue } from '../../src/queue/bullmq.ts';
import { manySqlite } from '../support/n8n/many.ts';
import { needing } from '../support/needing.ts';
import { createDatabase } from '../support/postgres.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Distributed, instanceKey, until } from './distributed.ts';
import { consent, type Ended, emptyFolder, folderWith, keyturn, start } from './keyturn.ts';

const { test } = needing('redis-server');

let redis: RedisServer;
let site: Distributed | undefined;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis.stop();
});
afterEach(async () => {
  await site?.close();
  site = undefined;
  await redis.cli('flushall');
});

function refused(ended: Ended, message: RegExp, code = 'other-keys'): void {
  expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 2 });
  expect(JSON.parse(ended.stdout).error).toMatchObject({ code, message: expect.stringMatching(message) });
  expect(ended.stderr).toMatch(/^keyturn: hint: \S/m);
}

test('a worker without the keys of the run refuses and names the expected key', async () => {
  site = await Distributed.open(redis.url);
  writeFileSync(site.file('other.key'), 'another key', { mode: 0o600 });
  const given = (current: string, next: string): string[] =>
    ['--current-key-file', current, '--new-key-file', next].map((word) =>
      word.startsWith('--') ? word : (site?.file(word) ?? ''),
    );
  // It waits for a run, and only then knows which keys it needs.
  const early = site.start('worker', ...site.place, ...given('other.key', 'new.key'), '--json');
  await early.said(/^waiting for a run/m);
  const coordinator = site.rotate();
  const late = await early.ended;
  const [run] = await site.database.exec('select from_key_id, to_key_id from keyturn_run');
  const from = String(run?.from_key_id);
  const to = String(run?.to_key_id);
  refused(late, new RegExp(`^run \\S+ needs key ${from}, but \\S+other.key contains key [0-9a-f]{16}$`));

  const worker = async (...args: string[]): Promise<Ended> =>
    (site as Distributed).start('worker', ...(site as Distributed).place, ...args, '--json').ended;
  refused(
    await worker(...given('old.key', 'other.key')),
    new RegExp(`needs key ${to}, but \\S+other.key contains`),
  );
  refused(
    await worker(...given('old.key', 'none.key')),
    new RegExp(`needs key ${to}, but key file \\S+none.key not found`),
  );
  refused(await worker(), new RegExp(`needs key ${from}, but no key was given to this worker$`));

  await site.database.exec("update keyturn_run set tool_version = '99.0.0'");
  refused(
    await worker(...site.keys.slice(0)),
    /was started with keyturn 99\.0\.0, but this is/,
    'checkpoint-version',
  );
  coordinator.child.kill('SIGKILL');
  expect(
    (await site.database.exec('select 1 from keyturn_chunk where state <> $1', ['planned'])).length,
  ).toBe(0);
});

test('a worker takes keys from the environment, and on SIGTERM finishes its chunk and exits with 0', async () => {
  site = await Distributed.open(redis.url);
  const coordinator = site.rotate();
  await coordinator.said(/state=rotating/);
  const newKey = readFileSync(site.file('new.key'), 'utf8');
  const env = {
    KEYTURN_CURRENT_MASTER_KEY: instanceKey,
    KEYTURN_NEW_MASTER_KEY: newKey,
    KEYTURN_QUEUE: redis.url,
  };
  const worker = start(['worker', '--database', site.database.url, '--concurrency', '1', '--json'], {
    cwd: site.path,
    env: { ...env, KEYTURN_DATABASE_PASSWORD: 'not needed' },
  });
  worker.child.stdin.end();
  await site.rotated(3);
  const release = await site.hold();
  await until(async () => (await (site as Distributed).database.exec(waitingWriters)).length === 1);
  worker.child.kill('SIGTERM');
  await worker.said(/SIGTERM: stopping/);
  await release();
  const { code, stdout, stderr } = await worker.ended;
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const [row] = await site.database.exec(
    `select count(*)::int as n from keyturn_chunk where state <> 'planned' and worker like '%/${worker.child.pid}'`,
  );
  expect(JSON.parse(stdout).chunks).toMatchObject({ rotated: row?.n, failed: 0 });
  // There is no other worker, and the coordinator says so.
  await until(async () => /^no worker is taking/.test((await site?.waiting()) ?? ''));
});

test('a worker that is offered the run of another database exits with 2', async () => {
  site = await Distributed.open(redis.url);
  const empty = await createDatabase();
  const lost = site.start('worker', '--database', empty.url, '--queue', redis.url, ...site.keys, '--json');
  await lost.said(/^waiting for a run/m);
  const coordinator = site.rotate();
  refused(await lost.ended, /^redis:\S+ offers run \S+, which is not in postgres:/, 'run-unknown');
  coordinator.child.kill('SIGKILL');
  await empty.close();
});

test('hints that a forgotten run left behind do not end a worker', async () => {
  site = await Distributed.open(redis.url);
  const queue = await BullmqQueue.open(redis.url, {});
  await queue.offer([1, 2, 3].map((chunk) => ({ run: 'a-forgotten-run', chunk, generation: 1001 })));
  const worker = site.worker();
  await worker.said(/offers run a-forgotten-run, which is not in /);
  await queue.close();
  const coordinator = site.rotate();
  await site.rotated(3);
  coordinator.child.kill('SIGKILL');
  worker.child.kill('SIGINT');
  expect(await worker.ended).toMatchObject({ code: 0 });
});

test('after the grace time a worker leaves its chunk to others', async () => {
  site = await Distributed.open(redis.url);
  const worker = site.worker('--grace', '1s', '--json');
  const coordinator = site.rotate();
  await site.rotated(3);
  const release = await site.hold();
  await until(async () => (await (site as Distributed).database.exec(waitingWriters)).length === 1);
  const [before] = await site.database.exec(rotatedChunks);
  const asked = performance.now();
  worker.child.kill('SIGTERM');
  expect(await worker.ended).toMatchObject({ code: 0 });
  // Much less than the default of 30 s.
  expect(performance.now() - asked).toBeLessThan(20_000);
  await release();
  expect((await site.database.exec(rotatedChunks))[0]).toEqual(before);
  coordinator.child.kill('SIGKILL');
});

test('a worker shows its health in a file and on a port', async () => {
  site = await Distributed.open(redis.url);
  const file = site.file('health.json');
  const worker = site.worker('--health-file', file, '--health-port', '0');
  await worker.said(/^waiting for a run/m);
  const [, url = ''] = /^health at (\S+)$/m.exec(worker.output()) ?? [];
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/health$/);
  const answer = await fetch(url);
  expect(answer.status).toBe(200);
  const health = {
    healthy: true,
    run: null,
    busy: 0,
    waiting: 'no run to work on',
    stopping: false,
  };
  expect(await answer.json()).toMatchObject(health);
  const written = () => JSON.parse(readFileSync(file, 'utf8'));
  await until(() => written().waiting === health.waiting);
  const first = written();
  expect(first).toMatchObject({
    ...health,
    worker: expect.stringMatching(new RegExp(`/${worker.child.pid}$`)),
  });
  expect((await fetch(url.replace('/health', '/metrics'))).status).toBe(404);
  await until(() => written().at !== first.at);
  const taken = await keyturn(['worker', ...site.place, '--health-port', new URL(url).port]);
  expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot listen on') });
  worker.child.kill('SIGINT');
  expect(await worker.ended).toMatchObject({ code: 0 });
  expect(existsSync(file)).toBe(false);
});

test('SQLite accepts only workers of the same host', async () => {
  const { path } = emptyFolder();
  manySqlite(`${path}/database.sqlite`, { credentials: 300, instanceKey });
  const of = folderWith(path, instanceKey);
  const queue = ['--queue', redis.url];
  const keys = of.rotation.slice(2);
  const rotate = ['rotate', ...of.rotation, ...queue, ...consent, '--chunk-rows', '30'];
  const coordinator = start(rotate, { cwd: path });
  coordinator.child.stdin.end();
  await coordinator.said(/state=rotating/);
  of.exec("update keyturn_run set coordinator = 'elsewhere/1', heartbeat = null");
  const elsewhere = await keyturn(['worker', ...keys, ...queue, '--json'], { cwd: path });
  refused(elsewhere, /is in an SQLite database on the host elsewhere, but this is /, 'other-host');
  coordinator.child.kill('SIGKILL');
  await coordinator.ended;
  const worker = start(['worker', ...keys, ...queue, '--exit-when-done'], { cwd: path });
  worker.child.stdin.end();
  expect((await worker.ended).code).toBe(2);
  const resumed = start(['resume', ...keys, ...queue], { cwd: path });
  resumed.child.stdin.end();
  await resumed.said(/state=rotating/);
  const here = start(['worker', ...keys, ...queue, '--exit-when-done'], { cwd: path });
  here.child.stdin.end();
  const ended = await resumed.ended;
  expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 0 });
  expect((await here.ended).code).toBe(0);
  of.remove();
});

test('missing or invalid options are refused before anything is done', async () => {
  expect(await keyturn(['worker'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no queue given'),
  });
  const queue = ['--queue', redis.url];
  expect(await keyturn(['worker', ...queue])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no database given'),
  });
  expect(await keyturn(['worker', ...queue, '--grace', 'soon'])).toMatchObject({ code: 2 });
  expect(await keyturn(['worker', ...queue, '--concurrency', '0'])).toMatchObject({ code: 2 });
  const { code, stderr } = await keyturn(['worker', '--queue', 'amqp://user:the-password@host']);
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.not.stringContaining('the-password') });
});

const rotatedChunks = "select count(*)::int as n from keyturn_chunk where state <> 'planned'";
const waitingWriters =
  "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query ilike '%update%credentials_entity%'";
