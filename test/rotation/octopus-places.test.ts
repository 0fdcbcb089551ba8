import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, expect, test } from '@jest/globals';
import { sqliteLibrary } from '../../src/databases/sqlite/driver.ts';
import { postgres, sqlite } from '../support/octopus/dialect.ts';
import { openText, sealTextOnlyFor } from '../support/octopus/sealing.ts';
import { traps } from '../support/octopus/traps.ts';
import { createDatabase } from '../support/postgres.ts';
import { createSqlite } from '../support/sqlite.ts';
import { decisions, expectCode, keysOf, leaveScenes, preview, rotation, sceneOf } from './octopus-scene.ts';

/** Single places that are added to a database of Octopus, before a run or during it. */

afterEach(leaveScenes);

test('a binary column in which only some values open is refused before the run', async () => {
  const scene = await sceneOf(createSqlite, sqlite, keysOf(16, 32));
  const settled = await decisions(scene);
  await scene.world.exec(
    `update "Blob" set "Data" = x'0102030405' where "Id" = (select min("Id") from "Blob")`,
  );
  const refused = await scene.run(...rotation, ...scene.where, ...preview);
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toMatch(
    /^keyturn: error: binary column Blob\.Data: \d+ of \d+ values can be decrypted/m,
  );
  expect(await scene.world.exec("select 1 from sqlite_schema where name like 'keyturn%'")).toEqual([]);
  const decided = await scene.run(
    ...rotation,
    ...scene.where,
    ...settled,
    ...['--decide', 'Blob.Data=leave'],
  );
  expectCode(decided, 0);
});

test('an undecided value that is added during the run is listed', async () => {
  const keys = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, keys);
  const sealed = sealTextOnlyFor(Buffer.from([0, 255, 254, 1]), keys.old, [keys.next]);
  const document = JSON.stringify({ Odd: sealed });
  await scene.world.exec('create table "Own" ("Id" text primary key not null, "JSON" text)');
  await scene.world.exec(
    `create trigger "late" after update on "VariableSet" begin
     insert or ignore into "Own" values ('late', '${document}');
     insert or ignore into "Configuration" ("Id", "JSON") values ('zz-late', '${document}'); end`,
  );
  const rotated = await scene.run(...rotation, ...scene.where, ...(await decisions(scene)));
  expectCode(rotated, 3);
  expect(rotated.stdout).toContain('Own row late, JSON.Odd: undecided-place');
  expect(rotated.stdout).toContain('Configuration row zz-late, JSON.Odd: undecided-place');
});

test('bytes in a known property are rotated in any table, and a value there that does not decrypt is an exception', async () => {
  const keys = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, keys, { secrets: 900, without: Object.keys(traps) });
  const plain = Buffer.from([0, 255, 254, 1]);
  const der = sealTextOnlyFor(plain, keys.old, [keys.next]);
  const lost = sealTextOnlyFor(plain, Buffer.alloc(16, 9), [keys.old, keys.next]);
  await scene.world.exec('create table "Own" ("Id" text primary key not null, "JSON" text)');
  const add = (id: string, document: unknown): Promise<unknown> =>
    scene.world.exec(`insert into "Own" values ('${id}', '${JSON.stringify(document)}')`);
  await add('certificate', { Deep: [{ CertificateData: der }] });
  await add('action', { Properties: { 'Any.Name': { Value: der } } });
  await add('lost', { 'Octopus.Action.Password': lost });
  const rotated = await scene.run(...rotation, ...scene.where, ...preview, '--on-exception', 'skip');
  expectCode(rotated, 3);
  expect(rotated.stdout).toContain('1 exception:');
  expect(rotated.stdout).toMatch(/Own row lost, JSON\["Octopus\.Action\.Password"\]: /);
  const rows = (await scene.world.exec('select "Id", "JSON" from "Own"')) as { Id: string; JSON: string }[];
  const documents = new Map(rows.map(({ Id, JSON: json }) => [Id, JSON.parse(json)]));
  expect(openText(documents.get('certificate').Deep[0].CertificateData, keys.next)).toEqual(plain);
  expect(openText(documents.get('action').Properties['Any.Name'].Value, keys.next)).toEqual(plain);
  expect(documents.get('lost')['Octopus.Action.Password']).toBe(lost);
});

test('a range that is only verified, and is planned again after a sweep, is not read with the old key', async () => {
  const keys = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, keys);
  const Value = sealTextOnlyFor(Buffer.from('a secret'), keys.old, [keys.next]);
  await scene.world.exec('create table "Own" ("Id" text primary key not null, "JSON" text)');
  await scene.world.exec(
    `create trigger "late" after update on "VariableSet" begin
     insert or ignore into "Own" values ('late', '${JSON.stringify({ Value, Type: 'Sensitive' })}'); end`,
  );
  expectCode(await scene.run(...rotation, ...scene.where, ...(await decisions(scene))), 0);
  await scene.world.exec('drop trigger "late"');
  await scene.world.exec(`update keyturn_run set state = 'failed'`);
  await scene.world.exec(
    `update keyturn_chunk set state = 'failed', verified_round = 0 where target = 'Own' and row_ids is null`,
  );
  expectCode(await scene.run('resume', ...scene.where, '--no-attachments', '--force'), 0);
  const [{ JSON: json }] = (await scene.world.exec('select "JSON" from "Own"')) as [{ JSON: string }];
  expect(openText(JSON.parse(json).Value, keys.next)?.toString()).toBe('a secret');
});

test('a column with gzips that hold secrets cannot be left behind, even if it holds other data too', async () => {
  const keys = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, keys);
  const settled = await decisions(scene);
  const sealed = sealTextOnlyFor(Buffer.from('a secret'), keys.old, [keys.next]);
  const zipped = gzipSync(JSON.stringify({ Password: sealed })).toString('hex');
  await scene.world.exec('create table "Own" ("Id" integer primary key, "Data" blob)');
  await scene.world.exec(`insert into "Own" values (1, x'${zipped}'), (2, x'1f8b0800deadbeef')`);
  const rotate = (as: string) =>
    scene.run(
      ...rotation,
      ...scene.where,
      ...settled,
      '--decide',
      `Own.Data=${as}`,
      '--on-exception',
      'skip',
    );
  expectCode(await rotate('leave'), 2);
  const rotated = await rotate('rotate');
  expectCode(rotated, 3);
  expect(rotated.stdout).toContain('Own row 2, Data: malformed-document');
  const [{ Data }] = (await scene.world.exec('select "Data" from "Own" where "Id" = 1')) as [
    { Data: Buffer },
  ];
  const { Password } = JSON.parse(gunzipSync(Data).toString());
  expect(openText(Password, keys.next)?.toString()).toBe('a secret');
});

const deep = (json: string): string => `${'['.repeat(1001)}${json}${']'.repeat(1001)}`;
const wrappings: readonly (readonly [string, string, (json: string, sealed: string) => string | Buffer])[] = [
  ['Commented', 'text', (json) => `${json} // edited by hand`],
  ['Deep', 'text', deep],
  ['StringInString', 'text', (json) => JSON.stringify([JSON.stringify(json)])],
  ['Space', 'text', (_, sealed) => `${sealed}\n`],
  ['Utf16', 'blob', (json) => Buffer.from(json, 'utf16le')],
  ['GzipOfUtf16BE', 'blob', (json) => gzipSync(Buffer.from(json, 'utf16le').swap16())],
  ['TwoGzips', 'blob', (json) => Buffer.concat([gzipSync(json), gzipSync('')])],
  ['Id', 'text primary key not null', (_, sealed) => sealed],
];

test('secrets inside other text are refused before the run, unless each place is left behind by a decision', async () => {
  const keys = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, keys);
  const settled = await decisions(scene);
  for (const [table, type, wrap] of wrappings) {
    const sealed = sealTextOnlyFor(Buffer.from('a secret'), keys.old, [keys.next]);
    const held = wrap(JSON.stringify({ Password: sealed }), sealed);
    const literal = typeof held === 'string' ? `'${held}'` : `x'${held.toString('hex')}'`;
    const id = type.includes('key') ? '' : ', "Id" integer primary key';
    await scene.world.exec(`create table "${table}" ("Data" ${type}${id})`);
    await scene.world.exec(`insert into "${table}" ("Data") values (${literal})`);
  }
  const refused = await scene.run(...rotation, ...scene.where, ...settled);
  expectCode(refused, 2);
  expect(await scene.world.exec("select 1 from sqlite_schema where name like 'keyturn%'")).toEqual([]);
  const left = wrappings.flatMap(([table]) => {
    const place = new RegExp(`[ :](${table}\\.Data(\\[\\])?) \\(1\\)`).exec(refused.stderr)?.[1];
    expect([table, place]).toEqual([table, expect.anything()]);
    return ['--decide', `${place}=leave`];
  });
  expectCode(await scene.run(...rotation, ...scene.where, ...settled, ...left), 0);
  expect(await scene.problems()).toEqual([]);
});

test('a column without changes is not written', async () => {
  const { old, next } = keysOf(16, 32);
  const scene = await sceneOf(createDatabase, postgres, { old, next });
  await scene.world.exec(
    `create function refuse() returns trigger language plpgsql as 'begin raise exception ''not this one''; end'`,
  );
  await scene.world.exec(
    'create trigger guarded before update of "Name" on "Account" for each row execute function refuse()',
  );
  expectCode(await scene.run(...rotation, ...scene.where, ...(await decisions(scene))), 0);
  expect(await scene.problems()).toEqual([]);
});

test('a table without a primary key is refused and named if any of its rows holds ciphertext', async () => {
  const { old, next } = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, { old, next });
  await scene.world.exec('create table "Unkeyed" ("Note" text)');
  await scene.world.exec(`with recursive note(n) as (select 1 union all select n + 1 from note where n < 20000)
    insert into "Unkeyed" select 'note ' || n from note`);
  await scene.world.exec('insert into "Unkeyed" values (?)', [
    sealTextOnlyFor(Buffer.from('a secret'), old, [next]),
  ]);
  const refused = await scene.run(...rotation, ...scene.where, ...preview);
  expectCode(refused, 2);
  expect(refused.stderr).toMatch(
    /^keyturn: error: table Unkeyed contains ciphertext, but has no primary key/m,
  );
});

test('a value added under the old key to a table where nothing was found is swept', async () => {
  const { old, next } = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, { old, next });
  const document = JSON.stringify({ Later: sealTextOnlyFor(Buffer.from('came late'), old, [next]) });
  await scene.world.exec('create table "Unkeyed" ("Note" text)');
  const script = `${scene.path}/writer.cjs`;
  writeFileSync(
    script,
    `const Sqlite = require(${JSON.stringify(createRequire(import.meta.url).resolve(sqliteLibrary))});
new Sqlite(${JSON.stringify(scene.world.url.slice('sqlite:'.length))})
  .prepare('update "ApiKey" set "JSON" = ? where "Id" = (select min("Id") from "ApiKey")').run(${JSON.stringify(document)});`,
  );
  const hook = ['--hook', `start=${process.execPath} ${script}`];
  const rotated = await scene.run(...rotation, ...scene.where, ...hook, ...(await decisions(scene)));
  expectCode(rotated, 0);
  const [row] = await scene.world.exec(
    'select "JSON" from "ApiKey" where "Id" = (select min("Id") from "ApiKey")',
  );
  const { Later } = JSON.parse(String(row?.JSON)) as { Later: string };
  expect(openText(Later, next)?.toString()).toBe('came late');
  const report = JSON.parse((await scene.run('report', ...scene.where.slice(0, 2), '--json')).stdout);
  expect(report.report.proof.scans).toBe(2);
  expect(report.report.inventory.unkeyed).toContain('Unkeyed');
});
