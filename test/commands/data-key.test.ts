import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Places } from '../rotation/places.ts';
import { keysOf } from '../support/n8n/decrypt.ts';
import { sealUnder } from '../support/n8n/encrypt.ts';
import type { FixtureName } from '../support/n8n/fixture.ts';
import {
  addCredential,
  clearDataKeys,
  emptyDeploymentKey,
  otherInstanceKey,
  upTo217,
} from '../support/n8n/shapes.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { deploymentKeyRows, expectEverySecret, truthOf } from '../support/n8n/truth.ts';
import { type Ended, keyturn, start } from './keyturn.ts';

const older = 'x6ijBTbxjwI1jaEM';
const newer = 'ggu5QgulojUDDqnv';
const legacy = 'AuL8A3t23HAyQlgM';

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

/** Runs a data-key command on the place with its instance key. */
async function run(
  place: Place,
  instanceKey: string,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const keyFile = join(places.dir, 'instance.key');
  writeFileSync(keyFile, instanceKey, { mode: 0o600 });
  const key = words[0] === 'list' ? [] : ['--current-key-file', keyFile];
  const { child, ended } = start(['data-key', ...words, '--database', place.url, ...key], {
    cwd: places.dir,
    env,
  });
  child.stdin.end();
  return ended;
}

async function list(place: Place): Promise<Record<string, unknown>[]> {
  const { code, stdout } = await run(place, '', ['list', '--json']);
  expect(code).toBe(0);
  return JSON.parse(stdout).dataKeys;
}

const backup = '--iHaveBackedUpMyDatabase';
const enabled = '--iHaveEnabledKeyRotationEverywhere';

/** Differences from the truth, but for the rows of data keys. */
async function lostSecrets(place: Place, name: FixtureName): Promise<string[]> {
  const truth = truthOf(name);
  const all = await expectEverySecret(place, truth.instanceKey, truth);
  return all.filter((line) => !line.startsWith('deployment_key data_encryption:'));
}

const dataRows = (place: Place) =>
  withStore(place, async (store) =>
    (await deploymentKeyRows(store)).filter(({ type }) => type === 'data_encryption'),
  );

test('list shows metadata and how many values depend on each key, and no key', async () => {
  const place = await places.fixture('mixed-sqlite');
  const keys = await list(place);
  expect(keys.map(({ id, algorithm, status, values }) => [id, algorithm, status, values])).toEqual([
    [legacy, 'aes-256-cbc', 'inactive', 40],
    [older, 'aes-256-gcm', 'inactive', 28],
    [newer, 'aes-256-gcm', 'active', 36],
  ]);
  expect(keys[2]).toMatchObject({
    createdAt: '2026-11-20 17:34:09.579',
    places: { 'credentials_entity.data': 23 },
  });
  const { stdout } = await run(place, '', ['list']);
  for (const { value } of await dataRows(place)) expect(stdout).not.toContain(value);
});

describe.each<FixtureName>(['mixed-sqlite', 'legacy-postgres'])('on %s', (name) => {
  test('rotate makes one key active, and everything else stays as it was', async () => {
    const place = await places.fixture(name);
    const { instanceKey } = truthOf(name);
    const before = await dataRows(place);
    const { code, stdout } = await run(place, instanceKey, ['rotate', backup, enabled, '--json']);
    expect(code).toBe(0);
    const { active, legacy: added } = JSON.parse(stdout);
    expect([active, added]).toEqual([expect.stringMatching(/^[A-Za-z0-9]{16}$/), null]);
    const after = await dataRows(place);
    expect(after.filter(({ status }) => status === 'active').map(({ id }) => id)).toEqual([active]);
    expect(
      after
        .filter(({ id }) => id !== active)
        .map(({ id, value }) => [id, value])
        .sort(),
    ).toEqual(before.map(({ id, value }) => [id, value]).sort());
    const keys = [...keysOf(after, instanceKey).dataKeys.values()].map((key) => key.toString('hex'));
    expect(new Set(keys).size).toBe(after.length - 1);
    expect(await lostSecrets(place, name)).toEqual([]);
  });
});

test('the first data key needs the confirmation that the feature is on, and keeps the legacy key', async () => {
  const place = await places.fixture('legacy-sqlite');
  const truth = await emptyDeploymentKey(place, truthOf('legacy-sqlite'));
  const refused = await run(place, truth.instanceKey, ['rotate', backup]);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(enabled)]);
  expect(refused.stderr).toContain('must not be downgraded');
  expect(await dataRows(place)).toEqual([]);
  expect((await run(place, truth.instanceKey, ['rotate', backup, enabled])).code).toBe(0);
  const rows = await dataRows(place);
  expect(rows.map(({ algorithm, status }) => `${algorithm} ${status}`).sort()).toEqual([
    'aes-256-cbc inactive',
    'aes-256-gcm active',
  ]);
  expect(keysOf(rows, truth.instanceKey).legacyKey).toBe(truth.instanceKey);
  // The next one needs no further legacy key
  expect((await run(place, truth.instanceKey, ['rotate', backup, enabled])).code).toBe(0);
  expect(await dataRows(place)).toHaveLength(3);
});

test('rotate is refused without the right key, without a backup, and while a program is connected', async () => {
  const place = await places.fixture('mixed-sqlite');
  const { instanceKey } = truthOf('mixed-sqlite');
  const before = await dataRows(place);
  expect(await run(place, 'not the instance key', ['rotate', backup])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('this key does not decrypt this n8n database'),
  });
  expect(await run(place, instanceKey, ['rotate'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`confirmation required: ${backup}`),
  });
  await withStore(place, async () => {
    const connected = await run(place, instanceKey, ['rotate', backup]);
    expect([connected.code, connected.stderr]).toEqual([2, expect.stringContaining('still connected')]);
  });
  expect(await dataRows(place)).toEqual(before);
});

test('a database of n8n up to 2.18 has no data keys that could be rotated', async () => {
  const without = await places.fixture('legacy-sqlite');
  await upTo217(without, truthOf('legacy-sqlite'));
  expect(await run(without, '', ['list'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('has no data keys'),
  });
  const clear = await places.fixture('mixed-sqlite');
  const { instanceKey } = await clearDataKeys(clear, truthOf('mixed-sqlite'));
  const refused = await run(clear, instanceKey, ['rotate', backup]);
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringContaining('is not encrypted with the instance key'),
  ]);
});

describe('retire', () => {
  test('refuses the legacy key, the active key, an unknown key, and a key that a value depends on', async () => {
    const place = await places.fixture('mixed-sqlite');
    const { instanceKey } = truthOf('mixed-sqlite');
    const before = await dataRows(place);
    for (const [id, why] of [
      [legacy, 'is the legacy key'],
      [newer, 'is active'],
      ['unknown', 'no data key with that id'],
      [older, '28 values would be lost'],
    ] as const) {
      const refused = await run(place, instanceKey, ['retire', id, backup]);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(why)]);
    }
    const { stderr } = await run(place, instanceKey, ['retire', older, backup]);
    expect(stderr).toContain('credentials_entity.data (28)');
    expect(await dataRows(place)).toEqual(before);
  });

  test('sees a value in a column that the job does not declare', async () => {
    const place = await places.fixture('legacy-sqlite');
    const { instanceKey } = truthOf('legacy-sqlite');
    const [row] = await dataRows(place);
    expect((await run(place, instanceKey, ['rotate', backup, enabled])).code).toBe(0);
    const id = (await dataRows(place)).find(
      ({ algorithm, status }) => algorithm === 'aes-256-gcm' && status === 'inactive',
    )?.id as string;
    await withStore(place, async (store) => {
      const key = keysOf(await deploymentKeyRows(store), instanceKey).dataKeys.get(id) as Buffer;
      await store.run('create table notes (body text)');
      await store.run('insert into notes values (?)', [`copied: ${sealUnder(id, 'a secret', key)}`]);
    });
    expect(await run(place, instanceKey, ['retire', id, backup])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('1 value would be lost with data key'),
    });
    expect(row).toBeDefined();
  });

  test('saves the encrypted form of an unused key, then removes it', async () => {
    const place = await places.fixture('legacy-sqlite');
    const { instanceKey } = truthOf('legacy-sqlite');
    const unused = (await dataRows(place)).find(({ status }) => status === 'active');
    expect((await run(place, instanceKey, ['rotate', backup, enabled])).code).toBe(0);
    const id = unused?.id as string;
    const out = join(places.dir, 'kept.json');
    writeFileSync(out, 'something else');
    const taken = await run(place, instanceKey, ['retire', id, backup, '--out', out]);
    expect([taken.code, taken.stderr]).toEqual([2, expect.stringContaining('name another file with --out')]);
    expect((await dataRows(place)).map((row) => row.id)).toContain(id);
    expect((await run(place, instanceKey, ['retire', id, backup])).code).toBe(0);
    const kept = join(places.dir, `data-key-${id}.json`);
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(kept, 'utf8'))).toMatchObject({
      id,
      value: unused?.value,
      status: 'inactive',
    });
    expect((await dataRows(place)).map((row) => row.id)).not.toContain(id);
    expect(await lostSecrets(place, 'legacy-sqlite')).toEqual([]);
  });
});

const counts = async (place: Place) => {
  const keys = await list(place);
  return Object.fromEntries(keys.filter(({ values }) => values !== 0).map(({ id, values }) => [id, values]));
};
const activeKey = async (place: Place): Promise<string> =>
  (await dataRows(place)).find(({ status }) => status === 'active')?.id ?? 'none';

describe('re-encryption', () => {
  test.each<FixtureName>(['mixed-sqlite', 'legacy-postgres'])(
    'encrypts every value of %s with the new key, and back in the legacy format',
    async (name) => {
      const place = await places.fixture(name);
      const { instanceKey } = truthOf(name);
      const before = Object.values(await counts(place)).reduce<number>((sum, n) => sum + Number(n), 0);
      const there = await run(place, instanceKey, ['rotate', '--reencrypt', backup, enabled]);
      expect([there.code, there.stdout]).toEqual([0, expect.stringContaining('VERIFIED')]);
      const active = await activeKey(place);
      expect(await counts(place)).toEqual({ [active]: before });
      expect(await lostSecrets(place, name)).toEqual([]);
      const old = (await dataRows(place)).filter(
        ({ id, algorithm }) => id !== active && algorithm === 'aes-256-gcm',
      );
      for (const { id } of old) expect((await run(place, instanceKey, ['retire', id, backup])).code).toBe(0);
      expect(await lostSecrets(place, name)).toEqual([]);
      const back = await run(place, instanceKey, ['rotate', '--to', 'legacy', backup]);
      expect([back.code, back.stdout]).toEqual([0, expect.stringContaining('VERIFIED')]);
      expect(await activeKey(place)).toBe('none');
      const legacyId = (await dataRows(place)).find(({ algorithm }) => algorithm === 'aes-256-cbc')?.id ?? '';
      expect(await counts(place)).toEqual({ [legacyId]: before });
      expect(await lostSecrets(place, name)).toEqual([]);
      expect((await run(place, instanceKey, ['retire', active, backup])).code).toBe(0);
    },
    60_000,
  );

  test('composes with the rotation of the instance key, before and after', async () => {
    const place = await places.fixture('mixed-sqlite');
    const truth = truthOf('mixed-sqlite');
    const keys = [truth.instanceKey, 'the second instance key', 'the third instance key'];
    const rotate = async (from: string, to: string): Promise<void> => {
      const [current, next] = ['from.key', 'to.key'].map((file) => join(places.dir, `${to}.${file}`)) as [
        string,
        string,
      ];
      writeFileSync(current, from, { mode: 0o600 });
      writeFileSync(next, to, { mode: 0o600 });
      const { code, stderr } = await keyturn(
        [
          ...['rotate', '--job', 'n8n', '--database', place.url, '--current-key-file', current],
          ...['--new-key-file', next, '--iReallyWantToRotateMyMasterKey', backup],
        ],
        { cwd: places.dir },
      );
      expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    };
    await rotate(keys[0] as string, keys[1] as string);
    expect((await run(place, keys[1] as string, ['rotate', '--reencrypt', backup])).code).toBe(0);
    expect((await run(place, keys[1] as string, ['rotate', '--reencrypt', backup])).code).toBe(0);
    const active = await activeKey(place);
    await rotate(keys[1] as string, keys[2] as string);
    expect(Object.keys(await counts(place))).toEqual([active]);
    const all = await expectEverySecret(place, keys[2] as string, truth);
    expect(all.filter((line) => !line.startsWith('deployment_key data_encryption:'))).toEqual([]);
    const verified = await keyturn(
      ['verify', '--database', place.url, '--current-key-file', join(places.dir, `${keys[2]}.to.key`)],
      { cwd: places.dir },
    );
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('VERIFIED')]);
  }, 60_000);

  test('of values under a legacy key that differs from the instance key leaves none behind', async () => {
    const place = await places.fixture('mixed-sqlite');
    const truth = await otherInstanceKey(place, truthOf('mixed-sqlite'), 'another instance key');
    for (const words of [['--reencrypt'], ['--to', 'legacy']]) {
      const { code, stdout, stderr } = await run(place, truth.instanceKey, ['rotate', ...words, backup]);
      expect([code, stdout, code === 0 ? '' : stderr]).toEqual([0, expect.stringContaining('VERIFIED'), '']);
      const rows = await dataRows(place);
      expect(keysOf(rows, truth.instanceKey).legacyKey).toBe(truth.instanceKey);
      const all = await expectEverySecret(place, truth.instanceKey, truth);
      expect(all.filter((line) => !line.startsWith('deployment_key data_encryption:'))).toEqual([]);
    }
  }, 60_000);

  test('that was killed is resumed with the same key, and a legacy value that was written since is found', async () => {
    const place = await places.fixture('mixed-sqlite');
    const truth = truthOf('mixed-sqlite');
    const words = ['rotate', '--reencrypt', backup, '--workers', '1'];
    const killed = await run(place, truth.instanceKey, words, {
      KEYTURN_TEST_KILL_AT: 'verify:1',
      NODE_OPTIONS: `--import=${new URL('../support/kill-at.mjs', import.meta.url).href}`,
    });
    expect(killed.signal).toBe('SIGKILL');
    const active = await activeKey(place);
    const late = await addCredential(place, truth, { id: 'AAlateLateLate00', data: { late: true } });
    const refused = await run(place, truth.instanceKey, ['rotate', backup]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('is unfinished')]);
    const keyFile = join(places.dir, 'instance.key');
    const resumed = await keyturn(['resume', '--database', place.url, '--current-key-file', keyFile], {
      cwd: places.dir,
    });
    expect([resumed.code, resumed.stdout, resumed.code === 0 ? '' : resumed.stderr]).toEqual([
      0,
      expect.stringContaining('VERIFIED'),
      '',
    ]);
    expect(await counts(place)).toEqual({ [active]: 105 });
    const all = await expectEverySecret(place, truth.instanceKey, late);
    expect(all.filter((line) => !line.startsWith('deployment_key data_encryption:'))).toEqual([]);
  }, 60_000);
});
