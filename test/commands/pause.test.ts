import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { expectMany } from '../support/n8n/many.ts';
import { Host, manyOn } from './host.ts';

const credentials = 600;
const small = ['--chunk-rows', '10', '--workers', '2'];
/** More than three minutes for the whole run: it is stopped in the middle, however busy the machine is. */
const slow = ['--throttle', 'rows-per-second=3'];

const leave: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of leave.splice(0).reverse()) await end();
});

async function hosted(engine: 'sqlite' | 'postgres'): Promise<Host> {
  const { place, close } = await manyOn(engine, credentials);
  leave.push(close);
  return kept(new Host(place));
}

function kept(host: Host): Host {
  leave.push(() => host.remove());
  return host;
}

const whole = (host: Host): Promise<string[]> => expectMany(host.place, host.newKey(), { credentials });

/** A run that a file holds before its first chunk. */
async function held(host: Host) {
  writeFileSync(host.file('hold'), '');
  const run = host.rotate(...small, '--throttle', 'file=hold');
  await run.said(/waiting="file: hold exists"/);
  leave.push(() => {
    run.child.kill('SIGKILL');
  });
  return run;
}

describe.each(['sqlite', 'postgres'] as const)('on %s', (engine) => {
  test('a run is paused by another process and resumed on another host', async () => {
    const first = await hosted(engine);
    const run = first.rotate(...small, ...slow);
    await run.said(/state=rotating .* done=[1-9]/);
    const paused = await first.ask('pause');
    const { report } = await first.status();
    expect(paused).toMatchObject({
      code: 0,
      stdout: `run ${report.run.id} is paused; continue with keyturn resume\n`,
    });
    const ended = await run.ended;
    expect(ended).toMatchObject({ code: 3, stdout: '' });
    expect(ended.stderr).toContain('keyturn: error: paused by keyturn pause\n');
    expect(report.run).toMatchObject({ state: 'paused', reason: { code: 'stopped' } });
    expect(report.totals.ranges.tally.rows).toBeGreaterThan(0);
    expect(report.totals.ranges.tally.rows).toBeLessThan(credentials);
    expect(await first.ask('pause')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('is already paused'),
    });

    const second = kept(first.other());
    first.remove();
    const resumed = await second.resume();
    expect({ code: resumed.code, stderr: resumed.stderr }).toMatchObject({ code: 0 });
    expect(await whole(second)).toEqual([]);
    expect(await second.ask('pause')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is finished (verified): there is nothing to pause'),
    });
  });
});

test('a cancelled run is not continued by rotate, but by resume', async () => {
  const host = await hosted('sqlite');
  const run = host.rotate(...small, ...slow);
  await run.said(/state=rotating .* done=[1-9]/);
  expect(await host.ask('cancel')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  const cancelled = await host.ask('cancel', '--yes', '--json');
  expect(cancelled.code).toBe(0);
  expect(cancelled.stderr).toContain('a cancelled run can only be resumed or rolled back');
  expect(JSON.parse(cancelled.stdout)).toMatchObject({
    run: { state: 'cancelled', reason: { code: 'cancelled' } },
    by: 'coordinator',
  });
  expect(await run.ended).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('cancelled by keyturn cancel'),
  });
  expect(await host.ask('cancel', '--yes')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('is already cancelled'),
  });
  expect(await host.ask('pause')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('is already cancelled'),
  });
  expect(await host.rotate().ended).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('was cancelled'),
  });
  expect(await host.resume()).toMatchObject({ code: 0 });
  expect(await whole(host)).toEqual([]);
  const { report } = await host.status();
  expect(report.times.pauses).toEqual([
    expect.objectContaining({ why: 'cancelled', to: expect.any(String) }),
  ]);
});

describe('after the coordinator has died,', () => {
  test.each(['sqlite', 'postgres'] as const)(
    'an old request does not stop the resumed run, on %s',
    async (engine) => {
      const host = await hosted(engine);
      const run = await held(host);
      run.child.kill('SIGSTOP');
      expect(await host.ask('pause', '--timeout', '1s')).toMatchObject({
        code: 3,
        stdout: expect.stringContaining('has not responded yet'),
      });
      expect(await host.ask('pause', '--no-wait')).toMatchObject({ code: 0 });
      run.child.kill('SIGKILL');
      expect(await run.ended).toMatchObject({ signal: 'SIGKILL' });
      const { report, standing } = await host.status();
      expect(report.run.state).toBe('rotating');
      expect(standing).toMatchObject({ coordinated: false, requested: 'pause' });
      const resumed = await host.resume();
      expect({ code: resumed.code, stderr: resumed.stderr }).toMatchObject({ code: 0 });
      expect(await whole(host)).toEqual([]);
    },
  );

  test('pause and cancel change the run themselves', async () => {
    const host = await hosted('postgres');
    const run = await held(host);
    run.child.kill('SIGSTOP');
    const pausing = host.ask('pause');
    for (;;) if ((await host.status()).standing.requested === 'pause') break;
    run.child.kill('SIGKILL');
    expect(await pausing).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/is paused: no coordinator was running; continue with keyturn resume/),
    });
    expect(await host.ask('cancel', '--yes')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/is cancelled: no coordinator was running/),
    });
    expect((await host.status()).report.run).toMatchObject({
      state: 'cancelled',
      reason: { code: 'cancelled' },
    });
    expect(await host.resume()).toMatchObject({ code: 0 });
    expect(await whole(host)).toEqual([]);
  });
});

test('pause is refused without a run', async () => {
  const host = await hosted('sqlite');
  expect(await host.ask('pause')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('has no runs'),
  });
  expect(await host.ask('pause', '--timeout', 'soon')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--timeout soon is not a valid duration'),
  });
});
