import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import SqliteConnection from 'better-sqlite3';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { engines, Places } from './places.ts';
import { Stage } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

const job = `job: own
title: Own system
key: { trim: space, generate: { bytes: 24, as: base64 } }
requires: [vault]
canary: [{ table: vault, column: token, format: n8n, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: vault
        id: [tenant, region, number]
        fields:
          - { column: token, format: n8n, plaintext: utf8 }
          - { column: codes, document: list, format: n8n, plaintext: utf8 }
          - column: settings
            when: { kind: [smtp, imap] }
            document: { json: [.password, '.servers[1].key'] }
            format: n8n
            plaintext: utf8
          - { column: settings, when: { kind: free }, document: { json: any }, format: n8n, foreign: leave, closed: look-alike }
exclude:
  - { table: vault, column: note, reason: notes hold examples }
`;

interface Secret {
  readonly at: string;
  readonly plain: string;
}

/** 60 rows, and what is secret in each. */
function rows(): { cells: (string | number | null)[]; secrets: Secret[] }[] {
  return Array.from({ length: 60 }, (_, i) => {
    const secrets: Secret[] = [];
    const secret = (at: string): string => {
      const plain = `secret ${i} ${at} ✓`;
      secrets.push({ at, plain });
      return sealLegacy(plain, oldKey);
    };
    const kind = ['smtp', 'imap', 'free', 'plain'][i % 4] ?? '';
    const settings = {
      smtp: () =>
        `{ "host":"h", "big": 12345678901234567890, "password":"${secret('.password').replaceAll('/', '\\/')}", "servers":[{"key":"no"},{"key":"${secret('.servers[1].key')}"}] }`,
      imap: () => `{"password":"", "servers":[]}`,
      free: () => `["x", {"any":["${secret('[1].any[0]')}"]}, "", 1.0]`,
      plain: () => 'not JSON, and nobody says it is',
    }[kind as 'smtp']();
    const codes = i % 3 === 0 ? null : i % 3 === 1 ? '' : [secret('codes[0]'), secret('codes[1]')].join(',');
    return {
      cells: [`tenant ${i % 7}`, `${'Ää_z'[i % 4]}`, i, secret('token'), codes, kind, settings, `note ${i}`],
      secrets,
    };
  });
}

async function made(place: Place): Promise<Map<string, readonly Secret[]>> {
  const truth = new Map<string, readonly Secret[]>();
  await withStore(place, async (store) => {
    await store.run(`create table vault (tenant varchar(20) not null, region varchar(5) not null, number integer not null,
      token text not null, codes text, kind varchar(10) not null, settings text, note text, primary key (tenant, region, number))`);
    for (const { cells, secrets } of rows()) {
      await store.run('insert into vault values (?, ?, ?, ?, ?, ?, ?, ?)', cells);
      truth.set(String(cells[2]), secrets);
    }
  });
  return truth;
}

function secretsOf(row: Record<string, unknown>): Map<string, string> {
  const found = new Map([['token', String(row.token)]]);
  if (row.codes)
    for (const [i, code] of String(row.codes).split(',').entries()) found.set(`codes[${i}]`, code);
  const settings = row.kind === 'smtp' || row.kind === 'free' ? JSON.parse(String(row.settings)) : {};
  if (row.kind === 'smtp') {
    found.set('.password', settings.password);
    found.set('.servers[1].key', settings.servers[1].key);
  }
  if (row.kind === 'free') found.set('[1].any[0]', settings[1].any[0]);
  return found;
}

/** The rows without their ciphertexts. */
async function restOf(place: Place): Promise<string[]> {
  return withStore(place, async (store) => {
    const found = await store.rows('select * from vault order by number');
    return found.map((row) =>
      JSON.stringify(row).replace(/U2FsdGVkX1(?:[A-Za-z0-9+/=]|\\\\\/)+/g, '<sealed>'),
    );
  });
}

describe.each(engines)("a user's own job on %s", (engine) => {
  test('rotates a table with composite ids, a list and JSON fields, and changes nothing else', async () => {
    const place: Place =
      engine === 'sqlite'
        ? { url: `sqlite:${join(places.dir, 'own.sqlite')}` }
        : { url: (await places.postgres()).url };
    if (engine === 'sqlite') writeFileSync(join(places.dir, 'own.sqlite'), '');
    const truth = await made(place);
    const rest = await restOf(place);
    const path = join(places.dir, 'own.yaml');
    writeFileSync(path, job);
    const stage = places.closing(
      await Stage.open(place, oldKey, newKey, {
        job: path,
        options: { chunkRows: 7, acceptDeleted: { rows: 1, operator: 'a test', reason: null } },
      }),
    );
    const ended = await stage.finish({
      meddling: [
        {
          step: 'verify',
          chunk: 1,
          times: [
            [
              `insert into vault values ('', '', -1, '${sealLegacy('late', oldKey)}', null, 'plain', '', null)`,
              'delete from vault where number = 59',
            ],
          ],
        },
      ],
    });
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
    truth.delete('59');
    truth.set('-1', [{ at: 'token', plain: 'late' }]);
    await withStore(place, async (store) => {
      const found = await store.rows('select * from vault order by number');
      expect(found).toHaveLength(60);
      for (const row of found) {
        const expected = new Map(truth.get(String(row.number))?.map(({ at, plain }) => [at, plain]));
        const opened = [...secretsOf(row)].map(([at, sealed]) => [at, openLegacy(sealed, newKey).toString()]);
        expect(new Map(opened as [string, string][])).toEqual(expected);
        for (const sealed of secretsOf(row).values()) expect(() => assertClosed(sealed)).not.toThrow();
      }
    });
    expect((await restOf(place)).slice(1)).toEqual(rest.slice(0, -1));
  });
});

test('text that is not UTF-8 keeps every byte on sqlite, beside a secret and around one', async () => {
  const file = join(places.dir, 'own.sqlite');
  const path = join(places.dir, 'own.yaml');
  writeFileSync(path, job);
  const around = (sealed: string) =>
    Buffer.concat([Buffer.from(`["${sealed}", "`), Buffer.from([0xff, 0xc3]), Buffer.from('"]')]);
  const world = new SqliteConnection(file);
  world.exec(`create table vault (tenant text not null, region text not null, number integer not null,
    token text not null, codes text, kind text, settings text, note text, primary key (tenant, region, number))`);
  world
    .prepare(
      `insert into vault values ('', '', 1, ?, null, 'free', cast(? as text), cast(x'fffe41' as text))`,
    )
    .run(sealLegacy('a token', oldKey), around(sealLegacy('a setting', oldKey)));
  const stage = places.closing(await Stage.open({ url: `sqlite:${file}` }, oldKey, newKey, { job: path }));
  expect(await stage.finish()).toMatchObject({ error: undefined, run: { state: 'verified' } });
  const row = world
    .prepare(
      'select token, cast(settings as blob) settings, hex(note) note, typeof(settings) type from vault',
    )
    .get() as { token: string; settings: Buffer; note: string; type: string };
  world.close();
  const [, sealed = ''] = /^\["([^"]*)"/.exec(row.settings.toString('latin1')) ?? [];
  expect([row.token, sealed].map((text) => openLegacy(text, newKey).toString())).toEqual([
    'a token',
    'a setting',
  ]);
  expect([row.note, row.type, row.settings]).toEqual(['FFFE41', 'text', around(sealed)]);
});

function assertClosed(sealed: string): void {
  let plain: string;
  try {
    plain = openLegacy(sealed, oldKey).toString();
  } catch {
    return;
  }
  if (/^secret \d+ /.test(plain)) throw new Error('still under the old key');
}
