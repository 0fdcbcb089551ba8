import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { afterEach, describe, expect, test } from '@jest/globals';
import { expectMany } from '../support/n8n/many.ts';
import { Host, manyOn } from './host.ts';
import { start } from './keyturn.ts';

const credentials = 600;
const leave: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of leave.splice(0).reverse()) await end();
});

async function hosted(engine: 'sqlite' | 'postgres'): Promise<Host> {
  const { place, close } = await manyOn(engine, credentials);
  const host = new Host(place);
  leave.push(close, () => host.remove());
  return host;
}

describe.each(['sqlite', 'postgres'] as const)('on %s', (engine) => {
  test('status shows which throttle holds the run, until the run continues', async () => {
    const host = await hosted(engine);
    writeFileSync(host.file('hold'), '');
    const run = host.rotate('--chunk-rows', '50', '--throttle', 'file=hold');
    await run.said(/waiting="file: hold exists"/);
    const text = await host.ask('status');
    expect(text.stdout).toMatch(/^State +rotating$/m);
    expect(text.stdout).toMatch(/^Coordinator +running$/m);
    expect(text.stdout).toMatch(/^Waiting +file: hold exists$/m);
    expect(text.stdout).toMatch(/^credentials_entity +600 +0 +0% +- +0 +\.{10}$/m);

    const watch = ['status', '--database', host.place.url, '--watch', '--interval', '100ms'];
    const lines = start(watch);
    const json = start([...watch, '--json']);
    await Promise.all([once(lines.child.stdout, 'data'), once(json.child.stdout, 'data')]);
    rmSync(host.file('hold'));
    expect(await run.ended).toMatchObject({ code: 0 });
    expect(await expectMany(host.place, host.newKey(), { credentials })).toEqual([]);

    const printed = (await lines.ended).stdout.trimEnd().split('\n');
    for (const line of printed) {
      expect(line).toMatch(
        /^at=\S+ run=\S+ state=\S+ (rotated|verified)=\d+ total=\d+ percent=\d+ rows_per_s=\S+ seconds_left=\S+ exceptions=\d+ workers=\d+ coordinator=(alive|none) requested=- waiting=(-|".*")$/,
      );
    }
    expect(printed[0]).toContain('waiting="file: hold exists"');
    expect(printed.at(-1)).toContain('state=verified verified=606 total=606 percent=100');
    const documents = (await json.ended).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(documents[0].standing).toMatchObject({ waiting: 'file: hold exists', coordinated: true });
    expect(documents.at(-1)).toMatchObject({
      report: { run: { state: 'verified' } },
      standing: { percent: 100, waiting: null, coordinated: false, secondsLeft: null },
    });
  });
});

test('status shows speed, time left and workers of a run, and that its coordinator has died', async () => {
  const host = await hosted('postgres');
  const run = host.rotate('--chunk-rows', '10', '--workers', '2', '--throttle', 'rows-per-second=30');
  await run.said(/state=rotating .* done=[1-9]/);
  let standing = (await host.status()).standing;
  while (standing.rowsPerSecond === null) standing = (await host.status()).standing;
  expect(standing).toMatchObject({ stage: 'rotated', coordinated: true, requested: null });
  expect(standing.percent).toBeGreaterThan(0);
  expect(standing.secondsLeft).toBeGreaterThan(0);
  expect(standing.workers).toEqual([
    expect.objectContaining({ worker: expect.stringContaining(`${hostname()}/${run.child.pid}`) }),
  ]);
  expect((await host.ask('status')).stdout).toMatch(
    /^Speed +\d+ rows\/s, \d+ s until everything is rotated$/m,
  );
  run.child.kill('SIGKILL');
  await run.ended;
  const after = await host.ask('status');
  expect(after.stdout).toMatch(/^Coordinator +process died; continue with keyturn resume$/m);
  expect(after.stdout).not.toMatch(/^(Speed|Waiting)/m);
});

test('--watch ends immediately if nothing is running', async () => {
  const host = await hosted('sqlite');
  expect(await host.ask('status', '--watch')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('there is no run'),
  });
  expect(await host.ask('status', '--watch', '--interval', '0')).toMatchObject({ code: 2 });
});
