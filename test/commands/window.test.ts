import { existsSync, readFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import { expectMany } from '../support/n8n/many.ts';
import { Host, manyOn } from './host.ts';

const credentials = 600;
const leave: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of leave.splice(0).reverse()) await end();
});

async function hosted(): Promise<Host> {
  const { place, close } = await manyOn('sqlite', credentials);
  const host = new Host(place);
  leave.push(close, () => host.remove());
  return host;
}

/** A window of one hour that opens in this number of hours. */
function inHours(hours: number): string[] {
  const hour = (more: number): string =>
    `${String((new Date().getUTCHours() + more) % 24).padStart(2, '0')}:00`;
  return ['--window', `${hour(hours)}-${hour(hours + 1)}`, '--time-zone', 'UTC'];
}

const data = (host: Host): Buffer => readFileSync(host.place.url.slice('sqlite:'.length));

test('a rotation does not start while its window is closed', async () => {
  const host = await hosted();
  const before = data(host);
  const { code, stderr } = await host.rotate(...inHours(2)).ended;
  expect(code).toBe(3);
  expect(stderr).toMatch(/^keyturn: error: window closed, it opens at \d{4}-\d\d-\d\d \d\d:00 UTC$/m);
  expect(stderr).toMatch(/^keyturn: hint: nothing was changed/m);
  expect(data(host).equals(before)).toBe(true);
  expect(existsSync(host.file('new.key'))).toBe(false);
});

test('a run stops when --max-duration ends, waits for its window, and continues when it opens', async () => {
  const host = await hosted();
  const slow = ['--chunk-rows', '10', '--throttle', 'rows-per-second=25', '--max-duration', '8s'];
  const first = await host.rotate(...slow, '--chunk-timeout', '0').ended;
  expect(first).toMatchObject({ code: 3, stdout: '' });
  expect(first.stderr).toContain('keyturn: error: the time limit of --max-duration is reached\n');
  const [, percent, again = ''] =
    /^the time limit of --max-duration is reached, (\d+)% done, resume with: keyturn (.*)$/m.exec(
      first.stderr,
    ) ?? [];
  expect(Number(percent)).toBeGreaterThan(0);
  expect(Number(percent)).toBeLessThan(100);
  expect(again).toMatch(/^resume --database .* --max-duration 8s --throttle rows-per-second=25$/);
  expect((await host.status()).report).toMatchObject({
    run: { state: 'paused', reason: { code: 'window-closed' } },
    options: { chunkTimeoutMs: null },
  });

  const closed = await host.resume(...inHours(2), '--chunk-timeout', '30s');
  expect(closed.code).toBe(3);
  expect(closed.stderr).toContain(`window closed, ${percent}% done, resume with: keyturn resume --database `);
  expect(closed.stderr).toMatch(/ --window \d\d:00-\d\d:00 --time-zone UTC$/m);
  expect((await host.status()).report).toMatchObject({
    run: { state: 'paused', reason: { code: 'window-closed' } },
    options: { chunkTimeoutMs: 30_000 },
  });

  const hour = String((new Date().getUTCHours() + 12) % 24).padStart(2, '0');
  const open = await host.resume('--window', `${hour}:01-${hour}:00`, '--time-zone', 'UTC');
  expect({ code: open.code, stderr: open.stderr }).toMatchObject({ code: 0 });
  expect(await expectMany(host.place, host.newKey(), { credentials })).toEqual([]);
});

test('invalid options are refused before anything is changed', async () => {
  const host = await hosted();
  const before = data(host);
  const refused = [
    [['--window', '25:00-06:00'], '--window 25:00-06:00 is not a valid window'],
    [['--time-zone', 'UTC'], '--time-zone requires --window'],
    [['--chunk-timeout', '0s'], '--chunk-timeout 0s is not a valid duration'],
    [['--throttle', 'file=a', '--throttle', 'moon=full'], '--throttle moon=full is not a valid throttle'],
  ] as const;
  // One after the other, because each takes the run lock.
  for (const [args, message] of refused) {
    expect(await host.rotate(...args).ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`keyturn: error: ${message}`),
    });
  }
  expect(data(host).equals(before)).toBe(true);
  expect(existsSync(host.file('new.key'))).toBe(false);
});
