import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { needing } from '../support/needing.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { Distributed, until } from './distributed.ts';
import { consent, type Started } from './keyturn.ts';

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
});

/** The samples by name and labels: `name{a="b"}`, with sorted labels. */
async function scrape(url: string): Promise<Map<string, number>> {
  const answer = await fetch(url);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = (await answer.text()).split('\n').flatMap((line): [string, number][] => {
    const found = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found === null) return [];
    const labels = (found[2] ?? '')
      .split(',')
      .filter((label) => !label.startsWith('role='))
      .sort();
    return [[`${found[1]}{${labels.join(',')}}`, Number(found[3])]];
  });
  return new Map(samples);
}

async function urlOf(process: Started): Promise<string> {
  await process.said(/^metrics at /m);
  return /^metrics at (\S+)$/m.exec(process.output())?.[1] ?? '';
}

test('coordinator and worker serve the progress of the run to Prometheus', async () => {
  site = await Distributed.open(redis.url);
  const coordinator = site.rotate('--metrics-port', '0');
  const whole = await urlOf(coordinator);
  expect(whole).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  await coordinator.said(/no worker is taking chunks/);
  const waiting = await scrape(whole);
  expect(waiting.get('keyturn_waiting{}')).toBe(1);
  expect(waiting.get('keyturn_waiting_reason{reason="queue"}')).toBe(1);
  expect(waiting.get('keyturn_waiting_reason{reason="pace"}')).toBe(0);
  const [info] = [...waiting.keys()].filter((name) => name.startsWith('keyturn_run_info'));
  expect(info).toMatch(/^keyturn_run_info\{run="\d{8}-\d{6}-[0-9a-f]{6}",state="rotating"\}$/);

  const worker = site.worker('--metrics-port', '0', '--health-port', '0');
  const own = await urlOf(worker);
  // One server serves both.
  expect((await fetch(own.replace('/metrics', '/health'))).status).toBe(200);
  await until(async () => {
    const samples = await scrape(whole);
    return (samples.get(rows('rotated')) ?? 0) > 0 && samples.get('keyturn_waiting{}') === 0;
  });
  expect(await coordinator.ended).toMatchObject({ code: 0 });

  // The last news of the worker can arrive after the end of the coordinator.
  await until(async () => (await scrape(own)).get(rows('verified')) === 3_000);
  const did = await scrape(own);
  expect(did.get(rows('rotated'))).toBe(3_000);
  const chunks = did.get('keyturn_chunks_total{state="rotated"}') ?? 0;
  expect(chunks).toBeGreaterThanOrEqual(100);
  expect(did.get('keyturn_chunk_seconds_count{state="rotated"}')).toBe(chunks);
  expect(did.get('keyturn_chunks_total{state="failed"}') ?? 0).toBe(0);
  await until(async () => (await scrape(own)).get(`${info?.replace('rotating', 'verified')}`) === 1);
  worker.child.kill('SIGTERM');
  expect(await worker.ended).toMatchObject({ code: 0 });
});

test('a coordinator with its own threads serves metrics, and shows that a throttle holds it', async () => {
  site = await Distributed.open(redis.url);
  const args = ['--job', 'n8n', '--database', site.database.url, ...site.keys, ...consent];
  site.touch('hold');
  const throttle = ['--throttle', `file=${site.file('hold')}`];
  const watched = ['--chunk-rows', '25', '--metrics-port', '0', '--workers', '1', ...throttle];
  const coordinator = site.start('rotate', ...args, ...watched);
  const url = await urlOf(coordinator);
  await until(async () => (await scrape(url)).get('keyturn_waiting_reason{reason="pace"}') === 1);
  // The second chunk is not verified before the figures were read
  await site.database.exec(`
    create table figures_read (yes boolean);
    create function wait_until_read() returns trigger language plpgsql as $$ begin
      while new.state = 'verified' and not exists (select from figures_read)
        and exists (select from keyturn_chunk where state = 'verified') loop perform pg_sleep(0.02); end loop;
      return new;
    end $$;
    create trigger wait_until_read before update on keyturn_chunk for each row execute function wait_until_read()`);
  site.remove('hold');
  let last = new Map<string, number>();
  await until(async () => {
    last = await scrape(url);
    return (last.get(rows('verified')) ?? 0) > 0;
  });
  await site.database.exec('insert into figures_read values (true)');
  expect(last.get('keyturn_waiting{}')).toBe(0);
  expect(last.get(rows('rotated'))).toBe(3_000);
  const chunks = last.get('keyturn_chunks_total{state="rotated"}');
  expect(chunks).toBeGreaterThan(100);
  expect(last.get('keyturn_chunk_seconds_count{state="rotated"}')).toBe(chunks);
  expect(last.get('keyturn_exceptions{}')).toBe(0);
  expect(await coordinator.ended).toMatchObject({ code: 0 });
});

function rows(outcome: string): string {
  return `keyturn_rows_total{outcome="${outcome}",target="credentials_entity"}`;
}
