import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/databases/open.ts';
import { sqliteLibrary } from '../../src/databases/sqlite/driver.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { openKeyring } from '../../src/inventory/open-keyring.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { Key } from '../../src/keys/key.ts';
import { consent, type Ended, emptyFolder, keyturn } from '../commands/keyturn.ts';
import { checkOctopus } from '../support/octopus/check.ts';
import { type Dialect, postgres, sqlite } from '../support/octopus/dialect.ts';
import { makeOctopus, type Wish } from '../support/octopus/make.ts';
import { openText, sealTextOnlyFor } from '../support/octopus/sealing.ts';
import { seeOctopus } from '../support/octopus/seen.ts';
import { traps } from '../support/octopus/traps.ts';
import type { Truth } from '../support/octopus/truth.ts';
import { worlds } from '../support/octopus/worlds.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { Random } from '../support/random.ts';
import { createSqlite } from '../support/sqlite.ts';

/** The real command over a database in the shape of Octopus Deploy's, judged by a checker that shares nothing with it. */

/** The same in every run: what opens by chance, 1 value in 255, is the same then too. */
function keysOf(from: number, to: number): { readonly old: Buffer; readonly next: Buffer } {
  const key = (name: string, bytes: number): Buffer =>
    createHash('sha256').update(name).digest().subarray(0, bytes);
  return { old: key('the old key', from), next: key('the new key', to) };
}

/** What a test leaves behind. */
const left: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const leave of left.splice(0).reverse()) await leave();
});

interface Scene {
  readonly world: TestDatabase;
  readonly truth: Truth;
  readonly path: string;
  /** `--database` and both key files. */
  readonly where: readonly string[];
  run(...args: string[]): Promise<Ended>;
  problems(): Promise<string[]>;
}

async function sceneOf(
  create: () => Promise<TestDatabase>,
  dialect: Dialect,
  keys: { readonly old: Buffer; readonly next: Buffer },
  wish: Pick<Wish, 'secrets' | 'projects' | 'without'> = {},
): Promise<Scene> {
  const { old, next } = keys;
  const world = await create();
  left.push(() => world.close());
  const { path, remove } = emptyFolder();
  left.push(remove);
  const truth = await makeOctopus(world.exec, dialect, {
    key: old,
    nextKeys: [next],
    ...wish,
  });
  const seenBefore = await seeOctopus(world.exec, dialect, truth.tables);
  const file = (name: string, key: Buffer): string => {
    writeFileSync(`${path}/${name}`, key.toString('base64'), { mode: 0o600 });
    return `${path}/${name}`;
  };
  const current = ['--current-key-file', file('old.key', old)];
  return {
    world,
    truth,
    path,
    where: ['--database', world.url, ...current, '--new-key-file', file('new.key', next)],
    run: (...args) => keyturn(args, { cwd: path }),
    problems: () => checkOctopus(world.exec, dialect, truth, next, { seenBefore, oldKey: old }),
  };
}

// The test's own connection would be taken for the application's
const rotation = ['rotate', '--job', 'octopus', '--no-attachments', ...consent, '--force'];
/** Holds no ciphertext, but of values with a ciphertext's size 1 in 255 seems to open. */
const preview = ['--decide', 'Blob.Preview=leave'];

/** Says what went wrong, if it did. */
function expectCode({ code, stdout, stderr }: Ended, expected: number): void {
  expect({ code, said: code === expected ? '' : `${stdout}${stderr}` }).toEqual({ code: expected, said: '' });
}

/** Settles every place where a scan finds undecided values. */
async function decisions({ run, where }: Scene): Promise<string[]> {
  const scanned = await run('scan', '--job', 'octopus', ...where.slice(0, 4), '--json');
  expect(scanned).toMatchObject({ code: 0 });
  const { places } = JSON.parse(scanned.stdout) as {
    places: { table: string; column: string; path: string; document: string; undecided: number }[];
  };
  return places
    .filter(({ undecided, document }) => undecided > 0 && document !== 'text')
    .flatMap(({ table, column, path }) => ['--decide', `${table}.${column}${path}=rotate`])
    .concat(preview);
}

describe.each(worlds)('octopus on %s', (name, { create, dialect }) => {
  test.each(
    name === 'sqlite'
      ? [
          [16, 32],
          [32, 16],
          [16, 16],
          [32, 32],
        ]
      : [[16, 32]],
  )(
    'from a key of %d bytes to one of %d everything is found by its shape and rotated, and nothing else is changed',
    async (from, to) => {
      const scene = await sceneOf(create, dialect, keysOf(from, to));
      const rotated = await scene.run(...rotation, ...scene.where, ...(await decisions(scene)));
      expectCode(rotated, 0);
      expect(rotated.stdout).toMatch(/^VERIFIED: /);
      expect(await scene.problems()).toEqual([]);
      const [database, url = '', , , , next = ''] = scene.where;
      const verified = await scene.run('verify', database ?? '', url, '--current-key-file', next);
      expectCode(verified, 0);
    },
    120_000,
  );

  test('of an installation with eight projects every secret is in a known place, and nothing is left undecided', async () => {
    const small = { projects: 8, secrets: 900, without: Object.keys(traps) };
    const scene = await sceneOf(create, dialect, keysOf(16, 32), small);
    const rotated = await scene.run(...rotation, ...scene.where, ...preview);
    expectCode(rotated, 0);
    expect(rotated.stdout).toMatch(/^VERIFIED: /);
    expect(await scene.problems()).toEqual([]);
    const [database, url = '', , , , next = ''] = scene.where;
    expectCode(await scene.run('verify', database ?? '', url, '--current-key-file', next), 0);
  }, 120_000);

  test('values that open as nothing known are not changed and end with exit code 3; a decision rotates them later', async () => {
    const scene = await sceneOf(create, dialect, keysOf(16, 32));
    const settled = await decisions(scene);
    const rotated = await scene.run(...rotation, ...scene.where, ...preview);
    expectCode(rotated, 3);
    expect(rotated.stdout).toMatch(/^VERIFIED WITH EXCEPTIONS: \d+ values/);
    expect(rotated.stdout).toMatch(/TenantVariable row trap-\d+, JSONBlob\.Value: undecided-place/);
    const [database, url = '', , , , next = ''] = scene.where;
    const verified = await scene.run('verify', database ?? '', url, '--current-key-file', next);
    expectCode(verified, 3);
    const verdict =
      /^EXCEPTIONS: \d+ values are undecided and may use the old key; the key decrypts all others$/m;
    expect(verified.stdout).toMatch(verdict);
    const files = verified.stdout.match(/\S+\/report\.(txt|json)/g) ?? [];
    expect(files).toHaveLength(2);
    const reports = files.map((file) => readFileSync(file, 'utf8').replace(/\s+/g, ' '));
    for (const text of reports) expect(text).toContain(verdict.exec(verified.stdout)?.[0]);
    const problems = await scene.problems();
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) expect(problem).toMatch(/still under the old key$/);
    const wrong = await scene.run('exceptions', 'retry', ...scene.where, '--force', '--decide', 'A.b=maybe');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--decide must be') });
    // Only where exceptions are: elsewhere in their rows, a value that was encrypted anew opens under the old key by chance
    const open = (await scene.world.exec(
      `select ${dialect.quote('target')}, ${dialect.quote('field')}, ${dialect.quote('path')} from keyturn_exception where ${dialect.quote('state')} = 'open'`,
    )) as { target: string; field: string; path: string }[];
    const places = new Set(
      open.map(({ target, field, path }) => `${target}.${field}${path.replace(/\[\d+\]/g, '[]')}=rotate`),
    );
    const deciding = settled.filter((word) => places.has(word)).flatMap((word) => ['--decide', word]);
    expect(deciding).toHaveLength(2 * places.size);
    const retried = await scene.run('exceptions', 'retry', ...scene.where, '--force', ...deciding);
    expectCode(retried, 0);
    expect(await scene.problems()).toEqual([]);
  }, 120_000);

  test('plan shows what would be rotated and changes nothing', async () => {
    const scene = await sceneOf(create, dialect, keysOf(32, 32));
    const planned = await scene.run(
      'plan',
      '--job',
      'octopus',
      '--no-attachments',
      ...scene.where.slice(0, 4),
      ...preview,
      '--json',
    );
    expectCode(planned, 0);
    const { targets } = JSON.parse(planned.stdout) as { targets: { target: string; phase?: string }[] };
    const of = (target: string) => targets.find((each) => each.target === target);
    expect(of('VariableSet')).toMatchObject({ phase: 'everywhere' });
    // Looked at, and nothing was found: only verified
    expect(of('ApiKey')).not.toHaveProperty('phase');
    const unchanged = await checkOctopus(scene.world.exec, dialect, scene.truth, keysOf(16, 32).next, {
      seenBefore: await seeOctopus(scene.world.exec, dialect, scene.truth.tables),
    });
    expect(unchanged.every((problem) => !problem.includes('row'))).toBe(true);
  }, 120_000);
});

test('a binary column in which only some values open is refused before the run', async () => {
  const scene = await sceneOf(createSqlite, sqlite, keysOf(16, 32));
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
    ...(await decisions(scene)),
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
  const sealed = sealTextOnlyFor(Buffer.from('a secret'), keys.old, [keys.next]);
  const zipped = gzipSync(JSON.stringify({ Password: sealed })).toString('hex');
  await scene.world.exec('create table "Own" ("Id" integer primary key, "Data" blob)');
  await scene.world.exec(`insert into "Own" values (1, x'${zipped}'), (2, x'1f8b0800deadbeef')`);
  const settled = await decisions(scene);
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
  for (const [table, type, wrap] of wrappings) {
    const sealed = sealTextOnlyFor(Buffer.from('a secret'), keys.old, [keys.next]);
    const held = wrap(JSON.stringify({ Password: sealed }), sealed);
    const literal = typeof held === 'string' ? `'${held}'` : `x'${held.toString('hex')}'`;
    const id = type.includes('key') ? '' : ', "Id" integer primary key';
    await scene.world.exec(`create table "${table}" ("Data" ${type}${id})`);
    await scene.world.exec(`insert into "${table}" ("Data") values (${literal})`);
  }
  const settled = await decisions(scene);
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

test('a leftover certificate under a lost key does not make keyturn refuse the right key', async () => {
  const { old, next } = keysOf(16, 32);
  const scene = await sceneOf(createSqlite, sqlite, { old, next });
  const stale = JSON.stringify({
    CertificateData: sealTextOnlyFor(Buffer.from('of long ago'), Buffer.alloc(16, 9), [old, next]),
  });
  const [row] = await scene.world.exec('select * from "Certificate" limit 1');
  const names = Object.keys(row ?? {});
  const cells = names.map(
    (name) => ({ Id: 'certificate-global', JSON: stale, JSONBlob: null })[name] ?? row?.[name],
  );
  await scene.world.exec(
    `insert into "Certificate" (${names.map((name) => `"${name}"`).join(', ')}) values (${names.map(() => '?').join(', ')})`,
    cells,
  );
  const planned = await scene.run(
    'plan',
    '--job',
    'octopus',
    ...scene.where.slice(0, 4),
    ...preview,
    '--no-attachments',
  );
  expectCode(planned, 0);
});

test('a wrong key is refused in 100 of 100 tries because of the certificate, although some values pass the padding check', async () => {
  const scene = await sceneOf(createSqlite, sqlite, keysOf(32, 32), { secrets: 5_000 });
  const database = await openDatabase(scene.world.url);
  left.push(() => database.close());
  const catalog = await database.catalog();
  const job = resolveJob(loadJob('octopus', formatNames), catalog);
  const random = new Random('wrong keys');
  for (let attempt = 0; attempt < 100; attempt++) {
    const wrong = Key.fromBytes(random.bytes(attempt % 2 === 0 ? 32 : 16));
    await expect(openKeyring(database, catalog, job, wrong)).rejects.toMatchObject({
      code: 'wrong-current-key',
      exitCode: 2,
    });
  }
  const { canary } = await openKeyring(database, catalog, job, Key.fromBytes(scene.truth.key));
  expect(canary).toBe('right');
  // And through the command line, once
  writeFileSync(`${scene.path}/old.key`, random.bytes(32).toString('base64'));
  const refused = await scene.run(...rotation, ...scene.where);
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('does not decrypt this Octopus'),
  });
  expect(existsSync(`${scene.path}/keyturn-reports`)).toBe(false);
}, 120_000);
