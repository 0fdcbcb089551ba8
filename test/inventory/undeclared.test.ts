import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { engines, Places } from '../rotation/places.ts';
import { Stage, sqlText } from '../rotation/stage.ts';
import { keysOf } from '../support/n8n/decrypt.ts';
import { sealLegacy, sealOnlyFor, sealUnder } from '../support/n8n/encrypt.ts';
import { expectMany } from '../support/n8n/many.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { deploymentKeyRows } from '../support/n8n/truth.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const credentials = 12;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

/** Sealed so that its base64 holds both characters that JSON writers like to escape. */
function sealed(plain: string): string {
  for (;;) {
    const text = sealLegacy(plain, oldKey);
    if (text.includes('/') && text.includes('+')) return text;
  }
}

const inJson = (text: string): string => `{"deep":[1,{"it":"${text}"}]}`;

interface Hiding {
  readonly where: string;
  readonly column: string;
  readonly sql: (text: string) => readonly [string, readonly string[]];
}

const intoWorkflow = (text: string) =>
  ['insert into workflow_entity (id, name, nodes) values (?, ?, ?)', ['w', 'w', text]] as const;

const hidings: readonly Hiding[] = [
  { where: 'an undeclared text column', column: 'workflow_entity.nodes', sql: intoWorkflow },
  {
    where: 'the middle of a text',
    column: 'workflow_entity.nodes',
    sql: (text) => intoWorkflow(`see: ${text}; and so on`),
  },
  { where: 'JSON', column: 'workflow_entity.nodes', sql: (text) => intoWorkflow(inJson(text)) },
  {
    where: 'JSON whose slashes are escaped',
    column: 'workflow_entity.nodes',
    sql: (text) => intoWorkflow(inJson(text.replaceAll('/', '\\/'))),
  },
  {
    where: 'JSON whose pluses and equals signs are escaped',
    column: 'workflow_entity.nodes',
    sql: (text) => intoWorkflow(inJson(text.replaceAll('+', '\\u002B').replaceAll('=', '\\u003d'))),
  },
  {
    where: 'JSON in JSON',
    column: 'workflow_entity.nodes',
    sql: (text) => intoWorkflow(JSON.stringify({ inner: inJson(text.replaceAll('/', '\\/')) })),
  },
  {
    where: 'another column of a declared table',
    column: 'credentials_entity.name',
    sql: (text) => [
      'insert into credentials_entity (id, name, data, type) values (?, ?, ?, ?)',
      ['zz', text, sealed('{}'), 'x'],
    ],
  },
  {
    where: 'a settings key that no field declares',
    column: 'settings.value',
    sql: (text) => ['insert into settings (key, value) values (?, ?)', ['features.future', text]],
  },
  {
    where: 'another path of a declared settings key',
    column: 'settings.value',
    sql: (text) => [
      'insert into settings (key, value) values (?, ?)',
      ['features.oidc', JSON.stringify({ clientSecret: sealed('fine'), refreshToken: text })],
    ],
  },
];

async function hide(place: Place, { sql }: Hiding, text: string): Promise<void> {
  const [statement, values] = sql(text);
  await withStore(place, async (store) => {
    // PostgreSQL's column is 128 characters wide
    if (store.engine === 'postgres')
      await store.run('alter table credentials_entity alter column name type text');
    await store.run(statement, values);
  });
}

/** A copy of the n8n job that leaves a column alone. */
function excluding(table: string, column: string): string {
  const path = join(places.dir, 'excluding.yaml');
  const n8n = readFileSync(new URL('../../jobs/n8n.yaml', import.meta.url), 'utf8');
  writeFileSync(
    path,
    `${n8n}\nexclude:\n  - { table: ${table}, column: ${column}, reason: a test knows why }\n`,
  );
  return path;
}

async function hasRun(place: Place): Promise<boolean> {
  const stage = await Stage.open(place, oldKey, newKey);
  const has = await stage.database.knex.schema.hasTable('keyturn_run');
  await stage.close();
  return has;
}

describe.each(engines)('on %s, ciphertext that no field declares, in', (engine) => {
  test.each(hidings.map((hiding) => [hiding.where, hiding] as const))(
    '%s, is refused before anything is written, and named',
    async (_, hiding) => {
      const place = await places.many(engine, credentials, oldKey);
      await hide(place, hiding, sealed('lost with the old key'));
      const stage = places.closing(await Stage.open(place, oldKey, newKey));
      await expect(stage.plan()).rejects.toMatchObject({ code: 'undeclared-ciphertext', exitCode: 2 });
      await expect(stage.plan()).rejects.toThrow(`${hiding.column} (1)`);
      expect(await hasRun(place)).toBe(false);
    },
  );

  test('a table without a key and after many look-alikes is refused too', async () => {
    const place = await places.many(engine, credentials, oldKey);
    await withStore(place, async (store) => {
      await store.run('create table notes (note text)');
      await store.run(`with recursive look(n) as (select 1 union all select n + 1 from look where n < 300)
        insert into notes select 'U2FsdGVkX1' || n from look`);
      await store.run('insert into notes (note) values (?)', [`a note with ${sealed('lost')}`]);
    });
    const stage = places.closing(await Stage.open(place, oldKey, newKey));
    await expect(stage.plan()).rejects.toThrow('notes.note (1)');
  });

  test('a column that is excluded with a reason is left alone and listed in the inventory', async () => {
    const place = await places.many(engine, credentials, oldKey);
    const text = sealed('left alone');
    await hide(place, { where: '', column: '', sql: intoWorkflow }, text);
    const scene = { job: excluding('workflow_entity', 'nodes') };
    const stage = places.closing(await Stage.open(place, oldKey, newKey, scene));
    const ended = await stage.finish();
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' } });
    expect(ended.run.inventory.undeclared).toEqual([
      { table: 'workflow_entity', column: 'nodes', values: 1, lookAlikes: 0, excluded: 'a test knows why' },
    ]);
    await withStore(place, async (store) => {
      expect(await store.rows('select nodes from workflow_entity')).toEqual([{ nodes: text }]);
    });
    expect(await expectMany(place, newKey, { credentials })).toEqual([]);
  });

  test('a look-alike is reported, but not refused', async () => {
    const place = await places.many(engine, credentials, oldKey);
    const own = sealOnlyFor('not of n8n', 'a password of their own', [oldKey, newKey]);
    await hide(place, { where: '', column: '', sql: intoWorkflow }, inJson(own));
    const stage = places.closing(await Stage.open(place, oldKey, newKey));
    const found = await stage.preflight();
    expect(found.inventory.undeclared).toEqual([
      { table: 'workflow_entity', column: 'nodes', values: 0, lookAlikes: 1 },
    ]);
  });
});

test('undeclared values that are added during the run prevent its verification until they are removed', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  const [sql] = flat(intoWorkflow(sealed('lost with the old key')));
  const late = sql.replace('(?, ?, ?)', `('w', 'w', ${sqlText(sealed('lost with the old key'))})`);
  const ended = await stage.finish({ meddling: [{ step: 'verify', chunk: 1, times: [[late]] }] });
  expect(ended.error).toMatchObject({ code: 'late-places', exitCode: 3 });
  expect(String(ended.error)).toContain('workflow_entity.nodes (1)');
  expect(ended.run.state).toBe('failed');
  await withStore(place, (store) => store.run("delete from workflow_entity where id = 'w'", []));
  expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
});

test('an undeclared value under a data key is found, although a rotation of the master key would not lose it', async () => {
  const place = await places.many('sqlite', credentials, oldKey);
  const keys = await withStore(place, async (store) => keysOf(await deploymentKeyRows(store), oldKey));
  const [id = '', bytes = Buffer.alloc(0)] = [...keys.dataKeys][0] ?? [];
  await withStore(place, (store) => store.run(...flat(intoWorkflow(inJson(sealUnder(id, 'hidden', bytes))))));
  const stage = places.closing(await Stage.open(place, oldKey, newKey));
  await expect(stage.plan()).rejects.toThrow('workflow_entity.nodes (1)');
});

function flat([sql, values]: readonly [string, readonly string[]]): [string, readonly string[]] {
  return [sql, values];
}
