import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/databases/open.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { estimate } from '../../src/inventory/estimate.ts';
import { preflight } from '../../src/inventory/preflight.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { Key } from '../../src/keys/key.ts';
import { withStore } from '../support/n8n/store.ts';
import { Host, instanceKey, manyOn } from './host.ts';

const credentials = 3_000;
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

const plan = (host: Host, ...more: string[]) => host.ask('plan', '--job', 'n8n', ...more);
const key = ['--current-key-file', 'old.key'];

/** Everything that a write would change, on PostgreSQL including the row version. */
async function rowsOf(host: Host): Promise<unknown> {
  if (host.place.url.startsWith('sqlite:')) return readFileSync(host.place.url.slice('sqlite:'.length));
  return withStore(host.place, (store) =>
    store.rows(`select ctid::text, * from ${store.table('credentials_entity')} order by id`),
  );
}

describe.each(['sqlite', 'postgres'] as const)('on %s', (engine) => {
  test('plan estimates time and growth, and changes nothing', async () => {
    const host = await hosted(engine);
    const before = await rowsOf(host);
    const text = await plan(host, ...key, '--workers', '1', '--window', '22:00-06:00', '--time-zone', 'UTC');
    expect({ code: text.code, stderr: text.stderr }).toMatchObject({ code: 0 });
    expect(text.stdout).toMatch(
      /^estimate from 50\d sampled rows on this machine with 1 worker, write rate measured on another machine:$/m,
    );
    expect(text.stdout).toMatch(
      /^ {2}time {5}rotation (less than 1 s|about \d+ s), then verification (less than 1 s|about \d+ s)$/m,
    );
    expect(text.stdout).toMatch(/^ {2}windows {2}1 of 22:00-06:00$/m);
    expect(text.stdout).toMatch(
      /^ {2}growth {3}about .* for the values, at least 47 KB for keyturn's own tables$/m,
    );
    expect(text.stdout.includes('until the tables are vacuumed')).toBe(engine === 'postgres');

    const timed = await plan(host, ...key, '--sample-writes', '--json');
    expect(timed.code).toBe(0);
    const estimated = JSON.parse(timed.stdout).estimate;
    expect(estimated).toMatchObject({ writesTimed: true, windows: null, digestBytes: 3_006 * 16 });
    const [credential] = estimated.targets;
    expect(credential).toMatchObject({ target: 'credentials_entity', rows: credentials, sampled: 500 });
    expect(credential.workMs).toBeGreaterThan(0);
    expect(credential.writeMs).toBeGreaterThan(0);
    // At least the old ciphertexts: base64 of a salt and four or more blocks each.
    if (engine === 'postgres') expect(credential.leftBytes).toBeGreaterThan(credentials * 100);
    else expect(credential.leftBytes).toBe(0);
    expect(await rowsOf(host)).toEqual(before);
  });
});

test('the estimate grows with the number of rows, and shows how many windows are needed', async () => {
  const host = await hosted('sqlite');
  const database = await openDatabase(host.place.url);
  leave.push(() => database.close());
  const catalog = await database.catalog();
  const job = resolveJob(loadJob('n8n', formatNames), catalog);
  const keys = { current: Key.fromText(instanceKey), next: Key.fromText('another key') };
  const { from, to, inventory } = await preflight(database, catalog, job, keys);
  const targets = inventory.targets.map(({ target, rows }) => ({ target, rows: rows * 100_000 }));
  const order = {
    job,
    from,
    to,
    workers: 1,
    sampleWrites: false,
    attachments: null,
    windowMs: 120_000,
  };
  const small = await estimate(database, { ...order, inventory });
  const large = await estimate(database, { ...order, inventory: { ...inventory, targets } });
  expect(small).toMatchObject({ windows: 1, digestBytes: (credentials + 6) * 16 });
  expect(large.digestBytes).toBe(small.digestBytes * 100_000);
  const { rotationMs, verificationMs, windows } = large;
  expect(rotationMs).toBeGreaterThan(small.rotationMs * 1_000);
  expect(windows).toBe(Math.ceil((rotationMs + verificationMs) / 119_000));
  expect(windows).toBeGreaterThan(1);
});

test('without the current key there is no estimate', async () => {
  const host = await hosted('sqlite');
  const { code, stdout } = await plan(host, '--json');
  expect({ code, estimate: JSON.parse(stdout).estimate }).toEqual({ code: 0, estimate: null });
  expect(await plan(host, '--sample-writes')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--sample-writes needs the current key'),
  });
  expect(await plan(host, ...key, '--time-zone', 'UTC')).toMatchObject({ code: 2 });
});
