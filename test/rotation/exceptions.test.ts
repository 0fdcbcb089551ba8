import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { sealLegacy, sealOnlyFor } from '../support/n8n/encrypt.ts';
import { expectMany, manyId, manyPlain } from '../support/n8n/many.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { engines, Places } from './places.ts';
import { type Scene, Stage } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const credentials = 25;

const skip: Scene = { options: { onException: 'skip' } };

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

async function dataOf(place: Place, id: string): Promise<string> {
  return withStore(place, async (store) => {
    const [row] = await store.rows('select data from credentials_entity where id = ?', [id]);
    return String(row?.data);
  });
}

async function setData(place: Place, id: string, data: string): Promise<void> {
  await withStore(place, (store) =>
    store.run('update credentials_entity set data = ? where id = ?', [data, id]),
  );
}

/** Row 12, in the second chunk, in the middle of healthy ones. */
const id = manyId(12);

const flipped = (data: string): string => {
  const bytes = Buffer.from(data, 'base64');
  bytes[20] = (bytes[20] ?? 0) ^ 0x10;
  return bytes.toString('base64');
};

const corruptions: readonly (readonly [string, string, (data: string) => string])[] = [
  ['a flipped bit', 'does-not-open', flipped],
  [
    'its last block missing',
    'does-not-open',
    (data) => Buffer.from(data, 'base64').subarray(0, -16).toString('base64'),
  ],
  [
    'half of a block missing',
    'does-not-open',
    (data) => Buffer.from(data, 'base64').subarray(0, -8).toString('base64'),
  ],
  ['its last character missing', 'does-not-open', (data) => data.slice(0, -1)],
  ['a character that is no base64', 'does-not-open', (data) => `${data.slice(0, 30)}*${data.slice(31)}`],
  ['no ciphertext at all', 'not-ciphertext', () => 'somebody wrote this by hand'],
  ['a plaintext that is no JSON', 'implausible', () => sealLegacy('not json at all, but UTF-8', oldKey)],
  [
    'another key',
    'does-not-open',
    () => sealOnlyFor('{"a":"bcdefghijklmnopqrstuvwxyz0123456789"}', 'another key', [oldKey, newKey]),
  ],
  [
    'a data key that does not exist',
    'does-not-open',
    () => `gone00000000:${Buffer.concat([Buffer.of(1), Buffer.alloc(80)]).toString('base64')}`,
  ],
];

test('damage of every kind is an exception with its reason, and damaged values are not changed', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  const damaged = new Map<string, { reason: string; data: string }>();
  for (const [i, [, reason, corrupt]] of corruptions.entries()) {
    const row = manyId(2 + 2 * i);
    const data = corrupt(await dataOf(place, row));
    await setData(place, row, data);
    damaged.set(row, { reason, data });
  }
  const stage = places.closing(await Stage.open(place, oldKey, newKey, skip));
  const ended = await stage.finish();
  expect(ended).toMatchObject({ error: undefined, run: { state: 'verified-with-exceptions' } });
  expect(ended.exceptions.map(({ rowId: [row], reason }) => [row, reason])).toEqual(
    [...damaged].map(([row, { reason }]) => [row, reason]),
  );
  for (const [row, { data }] of damaged) expect(await dataOf(place, row)).toBe(data);
  const tally = { rows: credentials, rotated: credentials - damaged.size, exceptions: damaged.size };
  expect(ended.totals.get('credentials_entity')?.ranges?.tally).toMatchObject(tally);

  for (const row of damaged.keys())
    await setData(place, row, sealLegacy(manyPlain(Number(row.slice(4))), oldKey));
  expect(await stage.retry()).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
  expect(await expectMany(place, newKey, { credentials })).toEqual([]);
});

test('a damaged credential stops the run and is named; after a repair, a resume finishes the run', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  const corrupted = flipped(await dataOf(place, id));
  await setData(place, id, corrupted);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  for (const _ of ['the run', 'a resume without a repair']) {
    const stopped = await stage.finish();
    expect(stopped.error).toMatchObject({ code: 'exceptions', exitCode: 3 });
    expect(stopped.run).toMatchObject({ state: 'failed', reason: { code: 'exceptions' } });
    expect(stopped.exceptions).toMatchObject([
      { target: 'credentials_entity', rowId: [id], field: 'data', path: '', reason: 'does-not-open' },
    ]);
    expect(await dataOf(place, id)).toBe(corrupted);
  }
  await setData(place, id, sealLegacy(manyPlain(12), oldKey));
  expect(await stage.finish()).toMatchObject({
    error: undefined,
    run: { state: 'verified' },
    exceptions: [],
  });
  expect(await expectMany(place, newKey, { credentials })).toEqual([]);
});

describe.each(engines)('with --on-exception skip on %s', (engine) => {
  test('all other values are rotated and verified, and the damaged one can be retried after a repair', async () => {
    const place = await places.many(engine, credentials, oldKey);
    const corrupted = flipped(await dataOf(place, id));
    await setData(place, id, corrupted);
    const stage = places.closing(await Stage.open(place, oldKey, newKey, skip));
    const ended = await stage.finish();
    expect(ended.error).toBeUndefined();
    expect(ended.run.state).toBe('verified-with-exceptions');
    expect(ended.exceptions).toMatchObject([{ rowId: [id], reason: 'does-not-open' }]);
    expect(ended.totals.get('credentials_entity')?.ranges).toMatchObject({
      tally: { rows: credentials, values: credentials, rotated: credentials - 1, exceptions: 1 },
      verification: { rows: credentials, proven: credentials, exceptions: 1 },
    });
    expect(await dataOf(place, id)).toBe(corrupted);
    expect(await expectMany(place, newKey, { credentials })).toEqual([`${id}: does not open`]);

    expect((await stage.retry()).run.state).toBe('verified-with-exceptions');
    expect(await stage.exceptions.countOpen()).toBe(1);
    expect(await dataOf(place, id)).toBe(corrupted);

    // Whoever repaired it may have had the old key or the new one
    await setData(place, id, sealLegacy(manyPlain(12), engine === 'sqlite' ? newKey : oldKey));
    expect(await stage.retry()).toMatchObject({
      error: undefined,
      run: { state: 'verified' },
      exceptions: [],
    });
    expect(await expectMany(place, newKey, { credentials })).toEqual([]);
  });

  test('more exceptions than --max-exceptions stop the run, and a resume that allows them finishes it', async () => {
    const place = await places.many(engine, credentials, oldKey);
    for (const row of [21, 22, 23, 24].map(manyId))
      await setData(place, row, flipped(await dataOf(place, row)));
    const options = { onException: 'skip', maxExceptions: 3 } as const;
    const stage = places.closing(await Stage.open(place, oldKey, newKey, { options }));
    const stopped = await stage.finish();
    expect(stopped.error).toMatchObject({ code: 'exceptions', exitCode: 3 });
    expect(stopped.run.state).toBe('failed');
    const ended = await stage.resumeWith({ maxExceptions: 4 });
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified-with-exceptions' } });
    expect(ended.exceptions.map(({ rowId }) => rowId[0])).toEqual([21, 22, 23, 24].map(manyId));
  });
});

test('a malformed JSON document is an exception, is not changed, and is rotated after it is fixed', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  const read = () =>
    withStore(place, async (store) =>
      String((await store.rows("select value from settings where key = 'features.ldap'"))[0]?.value),
    );
  const write = (value: string) =>
    withStore(place, (store) =>
      store.run("update settings set value = ? where key = 'features.ldap'", [value]),
    );
  const whole = await read();
  await write(whole.slice(0, -1));
  const stage = places.closing(await Stage.open(place, oldKey, newKey, { options: { onException: 'skip' } }));
  const ended = await stage.finish();
  expect(ended.error).toBeUndefined();
  expect(ended.exceptions).toMatchObject([
    { target: 'settings', rowId: ['features.ldap'], field: 'value', reason: 'malformed-document' },
  ]);
  expect(await read()).toBe(whole.slice(0, -1));
  await write(whole);
  expect((await stage.retry()).run.state).toBe('verified');
  expect(await read()).not.toBe(whole);
});

test('a row with an open exception can be deleted: a retry then succeeds', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  await setData(place, id, 'rubbish');
  const stage = places.closing(await Stage.open(place, oldKey, newKey, { options: { onException: 'skip' } }));
  expect((await stage.finish()).run.state).toBe('verified-with-exceptions');
  await withStore(place, (store) => store.run('delete from credentials_entity where id = ?', [id]));
  expect(await stage.retry()).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
});

test('one damaged recovery code does not keep the others of its list from being rotated, and can be retried', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  const codes = ['code-1', 'code-2', 'code-3'].map((code) => sealLegacy(code, oldKey));
  const broken = flipped(codes[1] ?? '');
  const write = (list: readonly (string | undefined)[]) =>
    withStore(place, (store) =>
      store.run(
        'insert into "user" (id, "mfaRecoveryCodes") values (\'u\', ?) on conflict (id) do update set "mfaRecoveryCodes" = excluded."mfaRecoveryCodes"',
        [list.join(',')],
      ),
    );
  const read = () =>
    withStore(place, async (store) =>
      String((await store.rows('select "mfaRecoveryCodes" as c from "user"'))[0]?.c).split(','),
    );
  await write([codes[0], broken, codes[2]]);
  const stage = places.closing(await Stage.open(place, oldKey, newKey, { options: { onException: 'skip' } }));
  const ended = await stage.finish();
  expect(ended.exceptions).toMatchObject([
    { field: 'mfaRecoveryCodes', path: '[1]', reason: 'does-not-open' },
  ]);
  const [first, second, third] = await read();
  expect(second).toBe(broken);
  expect([first, third]).not.toEqual([codes[0], codes[2]]);
  await write([first, codes[1], third]);
  const repaired = await stage.retry();
  expect(repaired).toMatchObject({ error: undefined, run: { state: 'verified' } });
  expect(repaired.totals.get('user')?.sweeps?.tally).toMatchObject({ rotated: 1, current: 2 });
});

test('a retry that is killed before it starts does not leave a finished run without its exceptions', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  await setData(place, id, 'rubbish');
  const nowhere = new URL('file:///nowhere/thread.js');
  const stage = places.closing(await Stage.open(place, oldKey, newKey, { options: { onException: 'skip' } }));
  await stage.finish();
  const dying = places.closing(await Stage.open(place, oldKey, newKey, { workerEntry: nowhere }));
  await dying.borrow(stage);
  const run = await stage.run();
  await dying.adopt(run.id);
  expect((await dying.retry()).error).toBeDefined();
  expect((await stage.run()).state).not.toBe('verified-with-exceptions');
  expect(await stage.finish()).toMatchObject({
    error: undefined,
    run: { state: 'verified-with-exceptions' },
  });
  expect(await stage.exceptions.countOpen()).toBe(1);
});
