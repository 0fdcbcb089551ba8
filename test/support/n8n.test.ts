import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openLegacy } from './n8n/decrypt.ts';
import { luckyLookAlike, sealLegacy } from './n8n/encrypt.ts';
import { postgresFixture, renameTables, sqliteFixture } from './n8n/fixture.ts';
import { expectMany, manyId, manyPlain, manyPostgres, manySqlite } from './n8n/many.ts';
import { digestOfTheRest } from './n8n/rest.ts';
import { collectSecrets, leaksIn } from './n8n/secrets.ts';
import * as shapes from './n8n/shapes.ts';
import { type Place, withStore } from './n8n/store.ts';
import { expectEverySecret, stillUnder, type Truth, truthOf } from './n8n/truth.ts';
import { createDatabase, type TestDatabase } from './postgres.ts';

/** All other tests rely on this checker: it must accept what the real n8n wrote, and nothing else. */

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-n8n-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const sqliteNames = ['legacy-sqlite', 'mixed-sqlite'] as const;

async function update(place: Place, table: string, set: string, where: string): Promise<void> {
  await withStore(place, (store) => store.run(`update ${store.table(table)} set ${set} where ${where}`));
}

describe.each(sqliteNames)('%s', (name) => {
  const truth = truthOf(name);
  let place: Place;

  beforeEach(() => {
    place = sqliteFixture(name, dir);
  });

  test('is accepted as the real n8n wrote it', async () => {
    expect(await expectEverySecret(place, truth.instanceKey, name)).toEqual([]);
    expect(truth.credentials.size).toBe(name === 'mixed-sqlite' ? 80 : 67);
    expect(truth.extras.size + truth.deploymentKeys.size).toBe(name === 'mixed-sqlite' ? 22 : 21);
  });

  test('is refused under a wrong key', async () => {
    expect(await expectEverySecret(place, 'a wrong key', truth)).not.toEqual([]);
    expect(await expectEverySecret(place, truth.instanceKey.toLowerCase(), truth)).not.toEqual([]);
  });

  test('is refused with one corrupted credential, and the difference names it', async () => {
    const id = [...truth.credentials.keys()].at(5);
    const tail = 'substr(data, 1, length(data) - 8) || ';
    await update(place, 'credentials_entity', `data = ${tail} 'AAAAAAA='`, `id = '${id}'`);
    const differences = await expectEverySecret(place, truth.instanceKey, truth);
    expect(differences).toEqual([expect.stringContaining(`credentials_entity ${id}: `)]);
  });

  test('is refused with two credentials swapped', async () => {
    const [, one, two] = [...truth.credentials.keys()];
    await withStore(place, async (store) => {
      const rows = await store.rows('select id, data from credentials_entity where id in (?, ?)', [
        String(one),
        String(two),
      ]);
      for (const row of rows) {
        await store.run('update credentials_entity set data = ? where id = ?', [
          String(rows.find((candidate) => candidate !== row)?.data),
          String(row.id),
        ]);
      }
    });
    expect(await expectEverySecret(place, truth.instanceKey, truth)).toEqual([
      `credentials_entity ${one}: differs`,
      `credentials_entity ${two}: differs`,
    ]);
  });

  test.each([
    ['a missing credential', "delete from credentials_entity where id = 'fx0029ayQMVnpzSn'", 1],
    [
      'an unexpected credential',
      "update credentials_entity set id = 'other' where id = 'fx0029ayQMVnpzSn'",
      3,
    ],
    ['a missing deployment key', "delete from deployment_key where type = 'signing.jwt'", 1],
    ['a changed instance id', "update deployment_key set value = 'x' where type = 'instance.id'", 1],
    ['a lost recovery code', `update "user" set "mfaRecoveryCodes" = substr("mfaRecoveryCodes", 1, 64)`, 1],
    ['a lost setting', "delete from settings where key = 'features.oidc'", 1],
    ['an emptied leaf', `update settings set value = '{"clientSecret":""}' where key = 'features.oidc'`, 1],
    ['a missing table', 'drop table promotion_provider', 1],
  ])('is refused with %s', async (_what, sql, least) => {
    await withStore(place, async (store) => {
      await store.run('pragma foreign_keys = off');
      await store.run(sql);
    });
    expect((await expectEverySecret(place, truth.instanceKey, truth)).length).toBeGreaterThanOrEqual(least);
  });

  test('needs its own key in every place, and no other key', async () => {
    const legacy = name === 'legacy-sqlite' ? 67 : 29;
    const found = await stillUnder(place, truth.instanceKey, truth);
    expect(found.filter((at) => at.startsWith('credentials_entity')).length).toBe(legacy);
    expect(found.filter((at) => at.startsWith('deployment_key')).length).toBe(truth.deploymentKeys.size - 1);
    expect(await stillUnder(place, 'another key', truth)).toEqual([]);
  });

  test('the rest is digested without its ciphertexts', async () => {
    const before = await digestOfTheRest(place);
    const under = await shapes.underKey(place, truth, 'another instance key');
    expect(await digestOfTheRest(place)).toEqual(before);
    await update(
      place,
      'credentials_entity',
      "name = 'renamed'",
      `id = '${[...under.credentials.keys()][0]}'`,
    );
    expect(await digestOfTheRest(place)).not.toEqual(before);
  });

  test('secrets are found in texts that contain them', () => {
    const secrets = collectSecrets(name, ['the new key']);
    expect(leaksIn('rotated 67 credentials_entity rows of database "app" at localhost', secrets)).toEqual([]);
    const telling = [
      'hvs.tökén',
      'pässwörd-Ωß',
      'the new key',
      'git-p\\u00e4ssword-\\ud83d\\udd11',
      truth.instanceKey,
    ];
    for (const secret of telling) expect(leaksIn(`it is ${secret}!`, secrets).length).toBeGreaterThan(0);
  });
});

type Shape = (place: Place, truth: Truth) => Promise<Truth>;

const shapeList: [string, Shape][] = [
  ['no deployment_key', shapes.upTo217],
  ['an empty deployment_key', shapes.emptyDeploymentKey],
  ['data keys in clear', shapes.clearDataKeys],
  ['data keys under CBC', shapes.cbcDataKeys],
  ['the legacy key in clear', shapes.clearLegacyKey],
  ['signing secrets in clear', shapes.clearSigning],
  ['a JWE key', shapes.withJwe],
  ['another instance key', (place, truth) => shapes.otherInstanceKey(place, truth, 'the configured key')],
  ['a key that is not latin1', (place, truth) => shapes.underKey(place, truth, 'ключ 🔑 key')],
  ['executions', (place, truth) => shapes.withExecutions(place, truth, { lucky: true })],
  [
    'one more credential',
    (place, truth) => shapes.addCredential(place, truth, { id: 'added', data: { password: 'x' } }),
  ],
];

describe.each(sqliteNames)('a shape made from %s', (name) => {
  test.each(shapeList)('%s: accepted, and refused under another key', async (_what, shape) => {
    const place = sqliteFixture(name, dir);
    const truth = await shape(place, truthOf(name));
    expect(await expectEverySecret(place, truth.instanceKey, truth)).toEqual([]);
    expect(await expectEverySecret(place, 'a wrong key', truth)).not.toEqual([]);
  });

  test('a table prefix', async () => {
    const place = await renameTables(sqliteFixture(name, dir), 'n8n_');
    expect(await expectEverySecret(place, truthOf(name).instanceKey, name)).toEqual([]);
    expect(await withStore(place, (store) => store.tables())).toEqual(
      expect.arrayContaining(['n8n_credentials_entity', 'n8n_user', 'n8n_migrations']),
    );
  });
});

test('the key in the cbc row must be the new key after a rotation', async () => {
  const place = sqliteFixture('legacy-sqlite', dir);
  const truth = truthOf('legacy-sqlite');
  // A trap: every row is wrapped again, but the cbc row still holds the old legacy key.
  await shapes.otherInstanceKey(place, truth, 'new');
  expect(await expectEverySecret(place, 'new', truth)).toEqual([
    expect.stringMatching(/^deployment_key .*cbc.*differs$/),
  ]);
});

test('a look-alike that was changed is a difference', async () => {
  const place = sqliteFixture('legacy-sqlite', dir);
  const truth = await shapes.withExecutions(place, truthOf('legacy-sqlite'));
  const [at, own] = [...truth.verbatim][0] ?? [];
  await update(place, 'execution_data', `data = replace(data, '${own}', 'touched')`, '"executionId" = 1001');
  expect(await expectEverySecret(place, truth.instanceKey, truth)).toContain(`${at}: was changed`);
});

test('encrypting and decrypting agree for every length', () => {
  for (let length = 0; length < 40; length++) {
    const plain = Buffer.alloc(length, 7);
    expect(openLegacy(sealLegacy(plain, 'ключ'), 'ключ')).toEqual(plain);
  }
  expect(() => openLegacy(luckyLookAlike('plain', 'theirs', 'ours'), 'ours')).not.toThrow();
});

test('many credentials on SQLite', async () => {
  const many = { credentials: 4321, instanceKey: 'many' };
  const place = manySqlite(join(dir, 'many.sqlite'), many);
  expect(await expectMany(place, 'many', many)).toEqual([]);
  expect((await expectMany(place, 'wrong', many)).length).toBe(20);
  await withStore(place, async (store) => {
    const sealed = sealLegacy(manyPlain(1), 'many');
    await store.run('update credentials_entity set data = ? where id = ?', [sealed, manyId(2)]);
    await store.run('insert into credentials_entity (id, name, data, type) values (?, ?, ?, ?)', [
      'a',
      'a',
      sealed,
      'a',
    ]);
  });
  expect(await expectMany(place, 'many', many)).toEqual([
    'a: differs',
    `${manyId(2)}: differs`,
    '4322 rows, 4321 expected',
  ]);
  const also = new Map([
    ['a', manyPlain(1)],
    [manyId(2), manyPlain(1)],
  ]);
  expect(await expectMany(place, 'many', many, also)).toEqual([]);
});

describe('on PostgreSQL', () => {
  const name = 'legacy-postgres';
  const truth = truthOf(name);
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(() => database.close());

  test('the fixture is accepted as the real n8n wrote it, and refused after a change', async () => {
    const place = await postgresFixture(database.url);
    expect(await expectEverySecret(place, truth.instanceKey, name)).toEqual([]);
    expect(await expectEverySecret(place, 'a wrong key', name)).not.toEqual([]);
    const before = await digestOfTheRest(place);
    await update(
      place,
      'credentials_entity',
      "data = overlay(data placing 'AAAA' from 33)",
      "id = 'fx0029ayQMVnpzSn'",
    );
    expect(await digestOfTheRest(place)).toEqual(before);
    expect(await expectEverySecret(place, truth.instanceKey, name)).toEqual([
      expect.stringContaining('credentials_entity fx0029ayQMVnpzSn: '),
    ]);
  });

  test('another schema and a table prefix, next to a fixture in public', async () => {
    const inPublic = await postgresFixture(database.url);
    const place = await renameTables(await postgresFixture(database.url, { schema: 'Auto mation' }), 'pre_');
    expect(place).toEqual({ url: database.url, schema: 'Auto mation', prefix: 'pre_' });
    const now = await shapes.withExecutions(place, await shapes.underKey(place, truth, 'the other'));
    expect(await expectEverySecret(place, 'the other', now)).toEqual([]);
    expect(await expectEverySecret(inPublic, truth.instanceKey, name)).toEqual([]);
  });

  test.each(shapeList)('%s: accepted, and refused under another key', async (_what, shape) => {
    const place = await postgresFixture(database.url);
    const now = await shape(place, truth);
    expect(await expectEverySecret(place, now.instanceKey, now)).toEqual([]);
    expect(await expectEverySecret(place, 'a wrong key', now)).not.toEqual([]);
  });

  test('many credentials', async () => {
    const many = { credentials: 2345, instanceKey: 'many', bytes: 200 };
    const place = await manyPostgres(database.url, many);
    expect(await expectMany(place, 'many', many)).toEqual([]);
    expect((await expectMany(place, 'wrong', many)).length).toBe(20);
  });
});
