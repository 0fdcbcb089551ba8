import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Started, start } from '../commands/keyturn.ts';
import { type Ended, keyturn, rotation } from '../support/cli.ts';
import { expectMany, manyPostgres } from '../support/n8n/many.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';

const many = { credentials: 200, instanceKey: 'the old key of many credentials' };
/** Bytes on all connections before one is cut: while keyturn connects, prepares, rotates or verifies. */
const bytes = [100, 1_500, 3_000, 6_000, 12_000, 25_000, 50_000, 100_000];

let dir: string;
let database: TestDatabase;
let proxy: CuttingProxy;
let url: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-cut-'));
  database = await createDatabase();
  await manyPostgres(database.url, many);
  proxy = await startCuttingProxy(Number(new URL(database.url).port));
  const through = new URL(database.url);
  through.port = String(proxy.port);
  url = through.href;
});
afterEach(async () => {
  await proxy.close();
  await database.close();
  rmSync(dir, { recursive: true, force: true });
});

async function cutAfter(sent: number, args: readonly string[]): Promise<Ended> {
  const cut = proxy.cutAfter(sent);
  const ended = await keyturn(args, { cwd: dir });
  proxy.disarm();
  await cut;
  expect({ sent, ...ended }).not.toMatchObject({ code: 1 });
  return ended;
}

test('a rotation whose connection is cut at any moment reports that the connection was lost, and can be continued', async () => {
  const { all } = rotation(dir, { url }, many.instanceKey);
  const ends: Ended[] = [];
  for (const sent of bytes) {
    ends.push(await cutAfter(sent, ['rotate', ...all]));
    if (ends.at(-1)?.code === 0) break;
  }
  expect(ends.filter(({ code }) => code !== 0).length).toBeGreaterThanOrEqual(4);
  expect(
    ends.filter(({ stderr }) => /the connection to the database was lost/.test(stderr)).length,
  ).toBeGreaterThanOrEqual(1);
  if (ends.at(-1)?.code !== 0)
    expect(await keyturn(['rotate', ...all], { cwd: dir })).toMatchObject({ code: 0 });
  const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
  expect(await expectMany({ url: database.url }, newKey, many)).toEqual([]);
});

test('the commands that only read report a lost connection too', async () => {
  const { all } = rotation(dir, { url }, many.instanceKey);
  expect(await keyturn(['rotate', ...all], { cwd: dir })).toMatchObject({ code: 0 });
  const key = ['--job', 'n8n', '--current-key-file', 'new.masterkey'];
  for (const [command, ...more] of [['status'], ['report'], ['plan', ...key], ['verify', ...key]] as const) {
    const ends: Ended[] = [];
    for (const sent of bytes.slice(1, 4))
      ends.push(await cutAfter(sent, [command, '--database', url, ...more]));
    expect({
      command,
      said: ends.some(({ stderr }) => /the connection to the database was lost/.test(stderr)),
    }).toEqual({
      command,
      said: true,
    });
  }
});

describe('a network that drops packets and closes no connection', () => {
  const slow = [
    '--chunk-rows',
    '1',
    '--workers',
    '1',
    '--chunk-timeout',
    '3s',
    '--throttle',
    'rows-per-second=20',
  ];

  async function silenced(): Promise<Started> {
    const { all } = rotation(dir, { url }, many.instanceKey);
    const run = start(['rotate', ...all, ...slow], { cwd: dir });
    await run.said(/state=rotating/);
    proxy.silence();
    return run;
  }

  test('is noticed, and the run continues when packets arrive again', async () => {
    const run = await silenced();
    await run.said(/waiting="the connection to the database was lost"/);
    proxy.speak();
    expect(await run.ended).toMatchObject({ code: 0 });
    const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
    expect(await expectMany({ url: database.url }, newKey, many)).toEqual([]);
  });

  test('does not keep Ctrl-C from ending the command', async () => {
    const run = await silenced();
    await run.said(/waiting="the connection to the database was lost"/);
    run.child.kill('SIGINT');
    expect(await run.ended).toMatchObject({ code: 3 });
  });
});
