import { isUtf8 } from 'node:buffer';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterEach, expect, test } from '@jest/globals';
import { sqliteLibrary } from '../../src/databases/sqlite/driver.ts';
import { consent, emptyFolder } from '../commands/keyturn.ts';
import type { Ended } from '../support/cli.ts';
import { keyturnHere } from '../support/in-process.ts';
import {
  openStream,
  openText,
  sealStreamOnlyFor,
  sealText,
  sealTextOnlyFor,
} from '../support/octopus/sealing.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { drawUntil } from '../support/random.ts';
import { createSqlite } from '../support/sqlite.ts';
import { expectCode } from './octopus-scene.ts';

/** Small databases that a job searches by shape; octopus.test.ts has a large one. */

const [old, next] = [Buffer.alloc(16, 1), Buffer.alloc(32, 2)];
/** The other key does not open it, not even by chance, so that no value is undecided. */
const under = (text: string, key = old): string =>
  sealTextOnlyFor(Buffer.from(text), key, [key === old ? next : old]);
const blob = (text: string): string =>
  `x'${sealStreamOnlyFor(Buffer.from(text), old, [next]).toString('hex')}'`;

const left: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const leave of left.splice(0).reverse()) await leave();
});

interface Scene {
  readonly world: TestDatabase;
  readonly where: readonly string[];
  run(...args: string[]): Promise<Ended>;
  /** Rotates; `late` are statements that run between the inventory and the first chunk. */
  rotate(late: readonly string[], ...args: string[]): Promise<Ended>;
}

async function small(): Promise<Scene> {
  const world = await createSqlite();
  left.push(() => world.close());
  const { path, remove } = emptyFolder();
  left.push(remove);
  await world.exec('create table VariableSet (Id text primary key not null, JSON text)');
  await world.exec('create table Configuration (Id text primary key not null, JSON text)');
  await world.exec('create table Blob (Id integer primary key, Data blob)');
  for (const id of ['a', 'b', 'c'])
    await world.exec('insert into VariableSet values (?, ?)', [id, JSON.stringify({ Value: under(id) })]);
  const file = (name: string, text: string): string => {
    writeFileSync(`${path}/${name}`, text, { mode: 0o600 });
    return `${path}/${name}`;
  };
  const keys = [
    ...['--current-key-file', file('old.key', old.toString('base64'))],
    ...['--new-key-file', file('new.key', next.toString('base64'))],
  ];
  const where = ['--database', world.url, ...keys];
  const run = (...args: string[]) => keyturnHere(args, path);
  return {
    world,
    where,
    run,
    rotate: (late, ...args) => {
      const driver = JSON.stringify(createRequire(import.meta.url).resolve(sqliteLibrary));
      const database = JSON.stringify(world.url.slice('sqlite:'.length));
      const script = file(
        'late.cjs',
        `const db = new (require(${driver}))(${database}); for (const sql of ${JSON.stringify(late)}) db.exec(sql);`,
      );
      const hook = ['--hook', `start=${process.execPath} ${script}`];
      return run(
        'rotate',
        '--job',
        'octopus',
        '--no-attachments',
        ...consent,
        '--force',
        ...where,
        ...hook,
        ...args,
      );
    },
  };
}

test('a table, a column, and values in an empty binary column, added during the run, are rotated too', async () => {
  const { world, where, run, rotate } = await small();
  const rotated = await rotate([
    'create table Own (Id integer primary key, Note text)',
    `insert into Own values (1, '${JSON.stringify({ Secret: under('of a late table') })}')`,
    'alter table VariableSet add column More text',
    `update VariableSet set More = '${under('of a late column')}' where Id = 'b'`,
    ...Array.from({ length: 20 }, (_, i) => `insert into Blob values (${i}, ${blob(`late ${i}`)})`),
  ]);
  expectCode(rotated, 0);
  const [own] = await world.exec('select Note from Own');
  expect(openText(JSON.parse(String(own?.Note)).Secret, next)?.toString()).toBe('of a late table');
  const [more] = await world.exec("select JSON, More from VariableSet where Id = 'b'");
  expect(openText(String(more?.More), next)?.toString()).toBe('of a late column');
  expect(openText(JSON.parse(String(more?.JSON)).Value, next)?.toString()).toBe('b');
  const [row] = await world.exec('select Data from Blob where Id = 7');
  expect(openStream(row?.Data as Buffer, next)?.toString()).toBe('late 7');
  const report = JSON.parse((await run('report', '--database', world.url, '--json')).stdout).report;
  expect(report.history).toContainEqual(
    expect.objectContaining({
      event: 'late-places',
      detail: { targets: 'Blob, Own, VariableSet (other columns)' },
    }),
  );
  const verify = ['verify', ...where.slice(0, 2), '--current-key-file', where[5] ?? ''];
  await world.exec('create table Unkeyed (Note text)');
  await world.exec('insert into Unkeyed values (?)', [under('with the new key', next)]);
  expectCode(await run(...verify), 0);
  await world.exec('create table Later (Id integer primary key, Note text)');
  const sensitive = JSON.stringify({ Value: under('of a table that came after the run'), Type: 'Sensitive' });
  await world.exec('insert into Later values (1, ?)', [sensitive]);
  const failed = await run(...verify);
  expectCode(failed, 5);
  expect(failed.stdout).toContain('Later row 1, Note.Value: does-not-open');
});

test('a run is not verified while something added during it cannot be rotated and nobody has decided', async () => {
  const { world, where, run, rotate } = await small();
  const resume = (...args: string[]) => run('resume', ...where, '--no-attachments', '--force', ...args);
  const rotated = await rotate([
    'create table Unkeyed (Note text)',
    `insert into Unkeyed values ('${under('a secret')}')`,
    'create table Own (Id integer primary key, Note text)',
    `insert into Own values (1, 'see ${under('a secret')} there')`,
    `insert into Blob values (1, ${blob('one')})`,
  ]);
  expectCode(rotated, 3);
  expect(rotated.stderr).toContain('error: since this run began: found values under this key inside');
  expect(rotated.stderr).toContain('Own.Note (1)');
  const second = await resume('--decide', 'Own.Note=leave');
  expectCode(second, 3);
  expect(second.stderr).toContain('binary column Blob.Data: all 1 values can be decrypted');
  const third = await resume('--decide', 'Blob.Data=rotate');
  expectCode(third, 3);
  expect(third.stderr).toContain('Unkeyed contains ciphertext');
  await world.exec('drop table Unkeyed');
  expectCode(await resume(), 0);
  const [row] = await world.exec('select Data from Blob');
  expect(openStream(row?.Data as Buffer, next)?.toString()).toBe('one');
});

test('a secret inside other text, added during the run to a row that is read, is an exception', async () => {
  const { world, where, run, rotate } = await small();
  for (let i = 0; i < 20; i++) await world.exec(`insert into Blob values (${i}, ${blob('known')})`);
  const rotated = await rotate([`insert into Configuration values ('x', 'see ${under('a secret')} there')`]);
  expectCode(rotated, 3);
  expect(rotated.stdout).toContain('Configuration row x, JSON: stray');
  const retry = (...args: string[]) =>
    run('exceptions', 'retry', ...where, '--no-attachments', '--force', ...args);
  const misspelt = await retry('--decide', 'Configuration.JSN=leave');
  expectCode(misspelt, 2);
  expect(misspelt.stderr).toContain('Configuration.JSN=leave: nothing found in this place');
  expect(misspelt.stderr).toContain('similar places: Configuration.JSON; keyturn scan lists all places');
  const tooLate = await retry('--decide', 'Blob.Data=leave');
  expectCode(tooLate, 2);
  expect(tooLate.stderr).toContain('--decide Blob.Data=leave: this run already rotates the values there');
  expectCode(await retry(), 3);
  expectCode(await retry('--decide', 'Configuration.JSON=leave'), 0);
});

test('an undecided value that opens under both keys is rotated after a decision, unless it was written since', async () => {
  const { world, where, run, rotate } = await small();
  const secret = Buffer.from([0, 255, 254, 253]);
  const both = (key: Buffer, other: Buffer): string => {
    const Odd = drawUntil(
      () => sealText(secret, key),
      (sealed) => {
        const chance = openText(sealed, other);
        return chance !== undefined && !isUtf8(chance);
      },
    );
    return JSON.stringify({ Odd });
  };
  const put = (id: string, json: string) =>
    world.exec('insert or replace into Configuration values (?, ?)', [id, json]);
  await put('left', both(old, next));
  await put('written', both(old, next));
  expectCode(await rotate([]), 3);
  // By the application, which has the new key by now
  const written = both(next, old);
  await put('written', written);
  const retry = ['exceptions', 'retry', ...where, '--no-attachments', '--force'];
  const retried = await run(...retry, '--decide', 'Configuration.JSON.Odd=rotate');
  expectCode(retried, 3);
  expect(retried.stderr).toContain('1 exception:\n  Configuration row written, JSON.Odd: undecided\n');
  const rows = await world.exec('select JSON from Configuration order by Id');
  expect(openText(JSON.parse(String(rows[0]?.JSON)).Odd, next)).toEqual(secret);
  expect(rows[1]?.JSON).toBe(written);
});

test('a value under the new key from the start is not rotated after a decision, though the old key opens it by chance', async () => {
  const { world, where, run, rotate } = await small();
  const put = (id: string, document: object) =>
    world.exec('insert into Configuration values (?, ?)', [id, JSON.stringify(document)]);
  const Odd = drawUntil(
    () => sealText(Buffer.from([0, 255, 254, 253]), next),
    (sealed) => {
      const chance = openText(sealed, old);
      return chance !== undefined && !isUtf8(chance);
    },
  );
  await put('odd', { Odd });
  for (let i = 0; i < 5; i++) {
    const Value = drawUntil(
      () => sealText(Buffer.from(`under the new key ${i}`), next),
      (sealed) => openText(sealed, old) === undefined,
    );
    await put(`mixed ${i}`, { Value });
  }
  expectCode(await rotate([]), 3);
  const retry = ['exceptions', 'retry', ...where, '--no-attachments', '--force'];
  const retried = await run(...retry, '--decide', 'Configuration.JSON.Odd=rotate');
  expectCode(retried, 3);
  expect(retried.stderr).toContain('1 exception:\n  Configuration row odd, JSON.Odd: undecided\n');
  const [row] = await world.exec("select JSON from Configuration where Id = 'odd'");
  expect(JSON.parse(String(row?.JSON))).toEqual({ Odd });
});

test('a value beside an exception that was rotated and also opens under the old key by chance stays as it is', async () => {
  const { world, where, run, rotate } = await small();
  const secret = Buffer.from([0, 255, 254, 253]);
  const put = (document: object) =>
    world.exec(`insert or replace into Configuration values ('x', ?)`, [JSON.stringify(document)]);
  const document = async () =>
    JSON.parse(String((await world.exec('select JSON from Configuration'))[0]?.JSON));
  await put({ Odd: sealTextOnlyFor(secret, old, [next]), Value: under('beside it') });
  expectCode(await rotate([]), 3);
  // As with another IV
  const Value = drawUntil(
    () => sealText(Buffer.from('beside it'), next),
    (sealed) => openText(sealed, old) !== undefined,
  );
  await put({ ...(await document()), Value });
  const retry = ['exceptions', 'retry', ...where, '--no-attachments', '--force'];
  expectCode(await run(...retry, '--decide', 'Configuration.JSON.Odd=rotate'), 0);
  const after = await document();
  expect(after.Value).toBe(Value);
  expect(openText(after.Odd, next)).toEqual(secret);
});
