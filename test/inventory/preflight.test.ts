import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { Database } from '../../src/databases/database.ts';
import { openDatabase } from '../../src/databases/open.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { preflight } from '../../src/inventory/preflight.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { Key } from '../../src/keys/key.ts';
import { Places } from '../rotation/places.ts';
import { Stage } from '../rotation/stage.ts';
import { sealLegacy, wrap } from '../support/n8n/encrypt.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

describe('a login on PostgreSQL', () => {
  /** A role that may do what the statements say, and its URL. */
  async function login(grants: readonly string[]): Promise<{ url: string; leave: () => Promise<void> }> {
    const database = await places.postgres();
    const { url } = database;
    const { manyPostgres } = await import('../support/n8n/many.ts');
    await manyPostgres(url, { credentials: 5, instanceKey: oldKey });
    const role = `r_${randomUUID().replaceAll('-', '')}`;
    await database.exec(`create role ${role} login password 'p'; grant usage on schema public to ${role}`);
    for (const grant of grants) await database.exec(grant.replaceAll('ROLE', role));
    const restricted = new URL(url);
    restricted.username = role;
    restricted.password = 'p';
    const leave = async (): Promise<void> => {
      await database.exec(`drop owned by ${role}; drop role ${role}`);
    };
    return { url: restricted.href, leave };
  }

  async function expectLogin(
    grants: readonly string[],
    check: (stage: Stage) => Promise<void>,
  ): Promise<void> {
    const { url, leave } = await login(grants);
    const stage = await Stage.open({ url }, oldKey, newKey);
    try {
      await check(stage);
    } finally {
      await stage.close();
      await leave();
    }
  }

  const select = 'grant select on all tables in schema public to ROLE';
  const update = 'grant update on all tables in schema public to ROLE';
  const create = 'grant create on schema public to ROLE';

  test('that may not create tables is refused, with the missing privilege', () =>
    expectLogin([select, update], async (stage) => {
      await expect(stage.plan()).rejects.toMatchObject({ code: 'no-grant', exitCode: 2 });
      await expect(stage.plan()).rejects.toThrow(/CREATE TABLE/);
    }));

  test('that may not update one of the tables is refused, with the name of the table', () =>
    expectLogin([select, update, create, 'revoke update on credentials_entity from ROLE'], async (stage) => {
      await expect(stage.plan()).rejects.toMatchObject({ code: 'no-grant' });
      await expect(stage.plan()).rejects.toThrow('UPDATE on credentials_entity');
    }));

  test('with the required privileges rotates', () =>
    expectLogin([select, update, create], async (stage) => {
      expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
    }));

  test('that may update only some columns causes a warning, since keyturn cannot tell whether they are enough', () =>
    expectLogin(
      [
        select,
        update,
        create,
        'revoke update on credentials_entity from ROLE',
        'grant update (data) on credentials_entity to ROLE',
      ],
      async (stage) => {
        const { warnings } = await stage.preflight();
        expect(warnings).toContain('cannot tell whether this login may update credentials_entity');
        expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
      },
    ));

  test('that does not see all rows because of row security is refused, since hidden rows would be lost', () =>
    expectLogin(
      [
        select,
        update,
        create,
        'alter table credentials_entity enable row level security',
        "create policy a_few on credentials_entity to ROLE using (id < 'cred000000000003')",
      ],
      async (stage) => {
        await expect(stage.plan()).rejects.toMatchObject({
          code: 'no-grant',
          message: expect.stringMatching(/row-level security policy for table "credentials_entity"/),
        });
      },
    ));
});

test('privileges that an engine does not report cause a warning and never a refusal', async () => {
  const place = await places.many('sqlite', 5, oldKey);
  const database = places.closing(await openDatabase(place.url));
  const server = Object.create(database.server, {
    privileges: { value: async () => ({ createTable: 'unknown', update: new Map() }) },
    readOnly: { value: async () => null },
  });
  const blind: Database = Object.create(database, { server: { value: server } });
  for (const name of ['readRange', 'boundAfter', 'count', 'search', 'longest'] as const)
    Object.defineProperty(blind, name, { value: database[name].bind(database) });
  const catalog = await database.catalog();
  const job = resolveJob(loadJob('n8n', formatNames), catalog);
  const keys = { current: Key.fromText(oldKey), next: Key.fromText(newKey) };
  const { warnings } = await preflight(blind, catalog, job, keys);
  expect(warnings).toContain('cannot tell whether this login may create tables');
  expect(warnings.join('\n')).toMatch(/cannot tell whether this login may update .*credentials_entity/);
});

test('a column that is covered by an index causes a warning', async () => {
  const place = await places.many('sqlite', 5, oldKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  await stage.database.knex.raw('create index slow on credentials_entity (data)');
  expect((await stage.preflight()).warnings).toEqual([
    'an index covers credentials_entity.data: writing rows takes longer',
  ]);
});

test('a column that is too narrow for the new ciphertext is refused before anything is written', async () => {
  const { url, exec } = await places.postgres();
  const job = join(places.dir, 'narrow.yaml');
  writeFileSync(
    job,
    `job: narrow
title: Narrow
key: { trim: space, generate: { bytes: 24, as: base64 } }
sourceKeys:
  - { name: legacy, table: keys, where: { kind: legacy }, column: value, format: n8n-wrapped, clear: primary, becomes: primary }
canary: [{ table: secrets, column: secret, format: n8n }]
phases:
  - name: values
    targets: [{ table: secrets, fields: [{ column: secret, format: n8n, plaintext: utf8 }] }]
  - name: keys
    targets:
      - table: keys
        fields:
          - { column: value, when: { kind: legacy }, format: n8n-wrapped, foreign: replace, becomes: primary }
          - { column: value, format: n8n-wrapped }
`,
  );
  await exec(`create table secrets (id integer primary key, secret text not null);
    create table keys (id integer primary key, kind text not null, value varchar(92) not null);
    insert into secrets values (1, '${sealLegacy('a secret', oldKey)}');
    insert into keys values (1, 'legacy', '${wrap(oldKey, oldKey)}')`);
  const wide = places.closing(await Stage.open({ url }, oldKey, 'x'.repeat(20), { job }));
  await wide.preflight();
  const stage = places.closing(await Stage.open({ url }, oldKey, 'x'.repeat(21), { job }));
  await expect(stage.plan()).rejects.toMatchObject({ code: 'column-too-narrow', exitCode: 2 });
  await expect(stage.plan()).rejects.toThrow(
    'keys.value is limited to 92 characters, and the new ciphertext needs 96',
  );
  expect(await exec("select to_regclass('keyturn_run') as run")).toEqual([{ run: null }]);
  await stage.unlock();
  expect(await wide.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
});

test('a database that is read-only by default is refused, and no key file is written', async () => {
  const place = await places.many('postgres', 5, 'the key before it');
  const client = new pg.Client({ connectionString: place.url.split('?')[0] });
  await client.connect();
  const { rows } = await client.query<{ name: string }>('select current_database() as name');
  await client.query(`alter database ${rows[0]?.name} set default_transaction_read_only = on`);
  await client.end();
  const stage = places.closing(await Stage.open(place, 'the key before it', 'the key after it'));
  await expect(stage.plan()).rejects.toMatchObject({ code: 'database-read-only', exitCode: 2 });
});
