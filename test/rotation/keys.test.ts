import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyringBefore, otherKeyIds, pin } from '../../src/checkpoint/pin.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealGcm, sealLegacy, sealUnder, wrap } from '../support/n8n/encrypt.ts';
import { expectMany, manySqlite } from '../support/n8n/many.ts';
import { otherInstanceKey } from '../support/n8n/shapes.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { expectEverySecret, stillUnder, truthOf } from '../support/n8n/truth.ts';
import { Random } from '../support/random.ts';
import { Places } from './places.ts';
import { Stage } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const credentials = 25;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

async function staged(place: Place, current = oldKey, next = newKey): Promise<Stage> {
  return places.closing(await Stage.open(place, current, next));
}

const execute = (place: Place, sql: string, values: readonly (string | null)[] = []): Promise<void> =>
  withStore(place, (store) => store.run(sql, values));

async function tablesOf(place: Place): Promise<string[]> {
  return withStore(place, async (store) =>
    (await store.rows("select name from sqlite_master where type = 'table'")).map(({ name }) => String(name)),
  );
}

describe('a resume', () => {
  test.each([
    ['another current key', 'a wrong key', newKey],
    ['another new key', oldKey, 'a wrong key'],
    ['the two keys exchanged', newKey, oldKey],
  ])('with %s is refused, and the message names the key ids that are expected', async (_, current, next) => {
    const stage = await staged(await places.many('sqlite', credentials, oldKey));
    await stage.plan();
    const keys = { current: Key.fromText(current), next: Key.fromText(next) };
    const { error, run } = await stage.finish({ keys });
    expect(error).toMatchObject({ code: 'other-keys', exitCode: 2 });
    expect(String(error)).toContain(Key.fromText(oldKey).id);
    expect(String(error)).toContain(Key.fromText(newKey).id);
    expect(run).toMatchObject({ state: 'planned', fence: 1 });
    expect((await stage.finish()).run.state).toBe('verified');
  });
});

describe('a pinned key', () => {
  const ring = new Keyring(
    Key.fromText('master'),
    [
      ['legacy', Key.fromText('ключ \ud800 ü')],
      ['data:a', Key.fromBytes(Buffer.from([0, 255, 1, 128]))],
    ],
    [Key.fromText('an older key'), Key.fromText('the oldest')],
  );

  test('is restored exactly with the new key, and only with it, for this run and this name', () => {
    const next = Key.fromText(newKey);
    const pinned = pin(ring, next, 'run');
    const unpin = (stored: Record<string, string>, newKey: Key, id: string) =>
      keyringBefore({ id, pinned: stored }, { current: Key.fromText('master'), next: newKey });
    const back = unpin(pinned, next, 'run');
    expect(back.named('legacy')?.text).toBe('ключ \ud800 ü');
    expect(back.named('data:a')?.bytes).toEqual(Buffer.from([0, 255, 1, 128]));
    expect(back.named('data:a')?.isText).toBe(false);
    expect(back.others.map(({ primary }) => primary.text)).toEqual(['an older key', 'the oldest']);
    expect(otherKeyIds(pinned)).toEqual(back.others.map(({ primary }) => primary.id));
    expect(() => unpin(pinned, Key.fromText('another'), 'run')).toThrow('cannot be decrypted');
    expect(() => unpin(pinned, next, 'another run')).toThrow('cannot be decrypted');
    const exchanged = { legacy: pinned['data:a'] ?? '', 'data:a': pinned.legacy ?? '' };
    expect(() => unpin(exchanged, next, 'run')).toThrow('cannot be decrypted');
    expect(JSON.stringify(pinned)).not.toContain('ключ');
    expect(pin(ring, next, 'run').legacy).not.toBe(pinned.legacy);
  });
});

test('the only copy of a legacy key survives in the run row: a late value under it is still swept', async () => {
  const place = await places.fixture('legacy-sqlite');
  const truth = await otherInstanceKey(place, truthOf('legacy-sqlite'), 'an instance key of its own');
  const stage = await staged(place, truth.instanceKey);
  const late = sealLegacy('{"late":1}', truth.legacyKey);
  const ended = await stage.finish({
    meddling: [
      {
        step: 'verify',
        chunk: 1,
        times: [
          [`insert into credentials_entity (id, name, data, type) values ('!late', 'l', '${late}', 'x')`],
        ],
      },
    ],
  });
  expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
  const all = new Map([...truth.credentials, ['!late', { late: 1 }]]);
  expect(await expectEverySecret(place, newKey, { ...truth, credentials: all })).toEqual([]);
  expect(await stillUnder(place, truth.legacyKey, truth)).toEqual([]);
});

test('values under a legacy key that is already the new key are not changed; all others are rotated', async () => {
  const place = await places.fixture('legacy-sqlite');
  const truth = await otherInstanceKey(place, truthOf('legacy-sqlite'), 'an instance key of its own');
  const before = await sealedOf(place);
  const stage = await staged(place, truth.instanceKey, truth.legacyKey);
  const ended = await stage.finish();
  expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
  expect(ended.totals.get('credentials_entity')?.ranges?.tally).toMatchObject({ rotated: 0 });
  expect(await sealedOf(place)).toBe(before);
  expect(await expectEverySecret(place, truth.legacyKey, truth)).toEqual([]);
});

async function sealedOf(place: Place): Promise<string> {
  return withStore(place, async (store) =>
    JSON.stringify(await store.rows('select id, data from credentials_entity order by id')),
  );
}

test.each([
  ['the old master key', oldKey32(), newKey],
  ['the new master key', oldKey, oldKey32()],
])('a data key of the same bytes as %s does not keep values under it', async (_, current, next) => {
  const place = manySqlite(join(places.dir, 'same.sqlite'), { credentials, instanceKey: current });
  const bytes = Buffer.from(oldKey32());
  await execute(
    place,
    "update deployment_key set value = ? where algorithm = 'aes-256-gcm' and type = 'data_encryption'",
    [wrap(bytes.toString('hex'), current)],
  );
  const prefixed = sealUnder('dataKey000000001', '{"under":"the data key"}', bytes);
  await execute(place, 'insert into credentials_entity (id, name, data, type) values (?, ?, ?, ?)', [
    'x',
    'x',
    prefixed,
    'x',
  ]);
  const ended = await (await staged(place, current, next)).finish();
  expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
  expect(ended.totals.get('credentials_entity')?.ranges?.tally).toMatchObject({
    rotated: credentials,
    current: 1,
  });
  const differences = await expectMany(place, next, { credentials }, new Map([['x', '']]));
  expect(differences).toEqual(['x: does not open']);
});

/** 32 characters, so that as UTF-8 it could be a data key. */
function oldKey32(): string {
  return 'abcdefghijklmnopqrstuvwxyz012345';
}

describe('a wrong current key is refused before anything is written', () => {
  const tries = 200;

  async function expectRefused(place: Place, wrong: readonly string[]): Promise<void> {
    const codes = new Map<unknown, number>();
    for (const key of wrong) {
      const stage = await Stage.open(place, key, newKey);
      const code = await stage.preflight().then(
        () => 'accepted',
        (error: { code: unknown }) => error.code,
      );
      codes.set(code, (codes.get(code) ?? 0) + 1);
      await stage.close();
    }
    expect(codes).toEqual(new Map([['wrong-current-key', wrong.length]]));
    expect(await tablesOf(place)).not.toContain('keyturn_run');
  }

  const random = new Random('wrong keys');
  const wrongKeys = Array.from({ length: tries }, (_, i) => `${random.bytes(18).toString('base64')}${i}`);

  test('in every one of 200 tries, with deployment_key', async () => {
    await expectRefused(await places.many('sqlite', credentials, oldKey), wrongKeys);
  });

  test('in every one of 200 tries, with CBC values only, which each pass the padding check once in 255', async () => {
    const place = await places.many('sqlite', 200, oldKey);
    await execute(place, 'delete from deployment_key');
    await expectRefused(place, wrongKeys);
  });

  test('if there is only one credential of one block, and the key passes its padding check', async () => {
    const place = await places.many('sqlite', 1, oldKey);
    await execute(place, 'delete from deployment_key');
    await execute(place, 'delete from settings');
    const sealed = sealLegacy('{"a":1}', oldKey);
    await execute(place, 'update credentials_entity set data = ?', [sealed]);
    const passing: string[] = [];
    for (let i = 0; passing.length < 5; i++) {
      try {
        openLegacy(sealed, `wrong ${i}`);
        passing.push(`wrong ${i}`);
      } catch {}
    }
    await expectRefused(place, passing);
  });

  test('if it is the legacy key, and the instance key is another one', async () => {
    const place = await places.fixture('legacy-sqlite');
    const truth = await otherInstanceKey(place, truthOf('legacy-sqlite'), 'an instance key of its own');
    await expectRefused(place, [truth.legacyKey]);
  });
});

test('a data key that the right current key does not decrypt is refused and named', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  await execute(place, "update deployment_key set value = ? where id = 'dataKey000000001'", [
    sealGcm('00'.repeat(32), Buffer.alloc(32, 9)),
  ]);
  const stage = await staged(place);
  await expect(stage.plan()).rejects.toMatchObject({ code: 'source-key', exitCode: 2 });
  await expect(stage.preflight()).rejects.toThrow('dataKey000000001');
  expect(await tablesOf(place)).not.toContain('keyturn_run');
});

test('the same key twice is refused', async () => {
  const stage = await staged(await places.many('sqlite', 1, oldKey), oldKey, oldKey);
  await expect(stage.plan()).rejects.toMatchObject({ code: 'same-key', exitCode: 2 });
});
