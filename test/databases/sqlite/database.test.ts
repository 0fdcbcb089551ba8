import { chmod, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import SqliteConnection from 'better-sqlite3';
import { migrate } from '../../../src/checkpoint/schema.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { foreseen } from '../../../src/rotation/setback.ts';
import { describeDatabase, type Fixture, incompleteIndexes } from '../../contract/database.ts';

async function sqliteFixture(): Promise<Fixture & { readonly folder: string; readonly path: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-sqlite-'));
  const path = join(folder, 'app.sqlite');
  const connection = new SqliteConnection(path);
  connection.pragma('journal_mode = wal');
  return {
    folder,
    path,
    url: `sqlite:${path}`,
    async exec(sql, values = []) {
      const statement = connection.prepare(sql);
      if (statement.reader) return statement.all(...values) as Record<string, unknown>[];
      statement.run(...values);
      return [];
    },
    async close() {
      connection.close();
      await rm(folder, { recursive: true });
    },
  };
}

describeDatabase('sqlite', sqliteFixture, {
  caseInsensitive: 'varchar(40) collate nocase',
  binary: 'blob',
  bytes: (value) => `x'${value.toString('hex')}'`,
  trigger: (name, event, table) => [`create trigger ${name} after ${event} on ${table} begin select 1; end`],
  uselessIndexes: incompleteIndexes,
  impatient: 'pragma busy_timeout = 10',
  program: 'node',
  idCases: [
    {
      name: 'NOCASE',
      columns: { a: 'varchar(9) collate nocase' },
      rows: ["'b'", "'A'", "'c'", "'B1'", "'a1'", "'_'", "'C2'"],
    },
    {
      name: 'NOCASE and another column',
      columns: { a: 'text collate nocase', b: 'int' },
      rows: ["'b', 2", "'B', 1", "'a', 1", "'A', 2", "'b', 3", "'c', 0"],
    },
    {
      name: 'decimals and reals',
      columns: { a: 'decimal(10,2)' },
      rows: ['10.5', '9.25', '-0.1', '1e300', '1e20', '0.1', '100', '0.30000000000000004', '0.3'],
    },
    {
      name: 'reals',
      columns: { a: 'double' },
      rows: ['1', '1.5', '-2', '1e19', '9007199254740993', '2.2250738585072014e-308'],
    },
    {
      name: 'every type in a column without a type',
      columns: { a: '' },
      rows: [
        '1',
        "'1'",
        "x'31'",
        '1.5',
        "'i:1'",
        "x''",
        "''",
        '9007199254740993',
        '9007199254740992',
        '9e999',
      ],
    },
    { name: 'blobs', columns: { a: 'blob' }, rows: ["x'00'", "x'ff00'", "x'ff'", "x''", "x'0001'"] },
    {
      name: 'other types in an integer column',
      columns: { a: 'bigint' },
      rows: ['1', "'abc'", "x'31'", "'1e'", "'x:31'", '2', '1e300'],
    },
    {
      name: 'other types in a text column',
      columns: { a: 'text' },
      rows: ["'1'", "x'31'", "'x:31'", '2', "'abc'", "'t:abc'", "x'ff'"],
    },
  ],
});

describe('SQLite files', () => {
  let world: Awaited<ReturnType<typeof sqliteFixture>>;

  beforeAll(async () => {
    world = await sqliteFixture();
  });
  afterAll(async () => world.close());

  test('are not created by opening them, unless that is requested', async () => {
    const path = join(world.folder, 'absent.sqlite');
    await expect(openDatabase(`sqlite:${path}`)).rejects.toMatchObject({
      code: 'database-missing',
      hint: expect.any(String),
    });
    await expect(openDatabase(`sqlite:${world.folder}`)).rejects.toMatchObject({ code: 'database-missing' });
    expect(await readdir(world.folder)).not.toContain('absent.sqlite');
    const made = await openDatabase(`sqlite:${path}`, { create: true });
    expect(await made.catalog()).toEqual([]);
    await made.close();
  });

  test('that are no databases are refused', async () => {
    const path = join(world.folder, 'other');
    await writeFile(path, 'not a database, but longer than the header of one'.repeat(10));
    await expect(openDatabase(`sqlite:${path}`)).rejects.toMatchObject({
      code: 'database-missing',
      message: expect.stringMatching(/is not a SQLite database$/),
    });
  });

  test('that another connection has locked are a transient failure, and no run starts on them', async () => {
    const path = join(world.folder, 'busy.sqlite');
    const other = new SqliteConnection(path);
    other.exec('create table t (id integer primary key, v text)');
    const database = await openDatabase(`sqlite:${path}`);
    await database.knex.raw('pragma busy_timeout = 5');
    other.exec('begin immediate');
    const shape = { table: 't', id: ['id'], columns: ['v'], written: 1 };
    let inside: unknown;
    const failing = database.transaction((trx) =>
      database.write(trx, shape, []).catch((error) => {
        inside = error;
        throw error;
      }),
    );
    const error = await failing.catch((failure) => failure);
    expect(database.failures.isTransient(error)).toBe(true);
    expect(String(inside)).toContain('never began');
    await expect(database.lockRun()).rejects.toMatchObject({ code: 'database-locked' });
    other.exec('rollback');
    await (await database.lockRun()).release();
    await database.close();
    other.close();
  });

  test('are locked for writing from the beginning of a transaction', async () => {
    const path = join(world.folder, 'held.sqlite');
    const other = new SqliteConnection(path, { timeout: 0 });
    other.exec('create table t (id integer primary key)');
    const database = await openDatabase(`sqlite:${path}`);
    await database.transaction(async () => {
      expect(() => other.exec('begin immediate')).toThrow('database is locked');
    });
    other.exec('begin immediate');
    await database.close();
    other.close();
  });

  test('that cannot grow are reported as a full disk, by every statement that needs space', async () => {
    const path = join(world.folder, 'full.sqlite');
    new SqliteConnection(path).exec('create table t (id integer primary key, v text)').close();
    const database = await openDatabase(`sqlite:${path}`);
    await database.knex.raw('pragma max_page_count = 3');
    const shape = { table: 't', id: ['id'], columns: ['v'], written: 1 };
    await database.knex('t').insert({ id: 1, v: 'old' });
    const failures = [
      await migrate(database).catch((error) => error),
      await database
        .transaction((trx) =>
          database.write(trx, shape, [{ id: ['1'], old: ['old'], new: ['x'.repeat(20_000)] }]),
        )
        .catch((error) => error),
    ];
    for (const failure of failures) {
      expect(failure).toMatchObject({ code: 'SQLITE_FULL' });
      expect(foreseen(database, failure)).toMatchObject({
        code: 'database-full',
        exitCode: 3,
        message: 'the disk is full',
        hint: expect.stringMatching(/^free disk space .* then continue with keyturn resume$/),
      });
    }
    expect(await database.knex('t')).toEqual([{ id: 1, v: 'old' }]);
    await database.close();
  });

  test('take no further statement once SQLite has rolled the transaction back', async () => {
    const path = join(world.folder, 'rolled-back.sqlite');
    new SqliteConnection(path).exec('create table t (id integer primary key, v text)').close();
    const database = await openDatabase(`sqlite:${path}`);
    await database.knex.raw('pragma max_page_count = 3');
    await database.knex('t').insert([
      { id: 1, v: 'old' },
      { id: 2, v: 'old' },
    ]);
    const shape = { table: 't', id: ['id'], columns: ['v'], written: 1 };
    const ignoring = database.transaction(async (trx) => {
      const large = { id: ['1'], old: ['old'], new: ['x'.repeat(20_000)] };
      await database.write(trx, shape, [large]).catch(() => undefined);
      await database.write(trx, shape, [{ id: ['2'], old: ['old'], new: ['stray'] }]);
    });
    await expect(ignoring).rejects.toThrow('the transaction has ended');
    expect(await database.knex('t').pluck('v')).toEqual(['old', 'old']);
    await database.close();
  });

  test('have one run lock, whatever name they are opened by', async () => {
    const link = join(world.folder, 'link.sqlite');
    await symlink(world.path, link);
    const [one, two] = [await openDatabase(world.url), await openDatabase(`sqlite:${link}`)];
    const lock = await one.lockRun();
    await expect(two.lockRun()).rejects.toMatchObject({ code: 'run-lock' });
    await lock.release();
    await Promise.all([one.close(), two.close()]);
  });

  test('that are read-only give no privileges', async () => {
    const path = join(world.folder, 'readonly.sqlite');
    await writeFile(path, '');
    const database = await openDatabase(`sqlite:${path}`);
    await chmod(path, 0o400);
    const { createTable, update } = await database.server.privileges(['t']);
    // Root may write, whatever the mode is
    const expected = process.getuid?.() === 0 ? 'yes' : 'no';
    expect([createTable, update.get('t')]).toEqual([expected, expected]);
    await database.close();
  });
});

describe('SQLite values', () => {
  let world: Fixture;

  beforeAll(async () => {
    world = await sqliteFixture();
  });
  afterAll(async () => world.close());

  test('keep their storage class and every byte, also bytes that are not valid UTF-8', async () => {
    await world.exec('create table stored (id integer primary key, v text, w blob)');
    // Invalid bytes, a truncated character, an encoded surrogate, an overlong encoding; and the replacement character itself
    const texts = ['6f6c64', 'ff', '7bfffe22c3a9f09f988022', 'c3', 'eda080ed', 'c0af', 'efbfbd'];
    for (const kind of ['text', 'blob'])
      for (const hex of texts)
        await world.exec(`insert into stored (v, w) values (cast(x'${hex}' as ${kind}), x'ff${hex}')`);
    const database = await openDatabase(world.url);
    const shape = { table: 'stored', id: ['id'], columns: ['v', 'w'], written: 1 };
    const rows = await database.readRange(shape, { after: null, upTo: null });
    expect([rows[0], rows[6]].map((row) => row?.values[0])).toEqual(['old', '\uFFFD']);
    expect(
      await database.readRows(
        shape,
        rows.map(({ id }) => id),
      ),
    ).toEqual(rows);
    const longer = ({ id, values }: (typeof rows)[number]) => ({
      id,
      old: values,
      new: [`a${values[0]}é`, null],
    });
    await world.exec("update stored set v = cast(x'fe' as text) where id = 2");
    expect(await database.transaction((trx) => database.write(trx, shape, rows.map(longer)))).toEqual([1]);
    expect(await world.exec('select hex(v) v, typeof(v) t, hex(w) w from stored order by id')).toEqual(
      ['text', 'blob'].flatMap((t) =>
        texts.map((hex) => ({
          v: t === 'text' && hex === 'ff' ? 'FE' : `61${hex}c3a9`.toUpperCase(),
          t,
          w: `FF${hex.toUpperCase()}`,
        })),
      ),
    );
    await database.close();
  });

  test('that are not valid UTF-8 are refused as row ids', async () => {
    await world.exec('create table garbled (id text primary key, v text)');
    await world.exec("insert into garbled values ('\uFFFD', 'fine'), (cast(x'61ff' as text), 'v')");
    const database = await openDatabase(world.url);
    const shape = { table: 'garbled', id: ['id'], columns: ['v'], written: 1 };
    const refused = { code: 'no-row-id', message: expect.stringContaining('the table garbled has a row') };
    const limit = { rows: 1, bytes: 100 };
    await expect(database.boundAfter(shape, null, limit)).rejects.toMatchObject(refused);
    await expect(database.readRange(shape, { after: null, upTo: null })).rejects.toMatchObject(refused);
    await world.exec("delete from garbled where v = 'v'");
    expect(await database.boundAfter(shape, null, limit)).toEqual(['\uFFFD']);
    await database.close();
  });

  test('of NULL in a primary key are counted, but are in no chunk', async () => {
    await world.exec('create table holes (id varchar(9) primary key, v text)');
    await world.exec("insert into holes values (null, 'x'), ('a', 'y'), (null, 'z'), ('b', 'z')");
    const database = await openDatabase(world.url);
    const shape = { table: 'holes', id: ['id'], columns: ['v'], written: 1 };
    expect((await database.catalog()).find(({ name }) => name === 'holes')?.columns[0]).toMatchObject({
      nullable: true,
    });
    expect(await database.count('holes')).toBe(4);
    expect(await database.boundAfter(shape, null, { rows: 1, bytes: 100 })).toEqual(['a']);
    expect(await database.boundAfter(shape, null, { rows: 9, bytes: 100 })).toEqual(['b']);
    expect((await database.readRange(shape, { after: null, upTo: null })).map((row) => row.id[0])).toEqual([
      'a',
      'b',
    ]);
    await database.close();
  });

  test('that are unique only under the collation of their index are paged under it', async () => {
    await world.exec('create table twice (u text collate nocase not null, v text)');
    await world.exec('create unique index twice_u on twice (u collate binary)');
    await world.exec("insert into twice values ('a', '1'), ('A', '2'), ('B', '3'), ('b', '4')");
    const database = await openDatabase(world.url);
    const shape = { table: 'twice', id: ['u'], columns: ['v'], written: 1 };
    const first = await database.boundAfter(shape, null, { rows: 1, bytes: 100 });
    const rest = await database.readRange(shape, { after: first, upTo: null });
    expect([first?.[0], ...rest.map((row) => row.id[0])]).toEqual(['A', 'B', 'a', 'b']);
    expect((await database.readRows(shape, [['a']])).map((row) => row.values[0])).toEqual(['1']);
    await database.close();
  });

  test('of virtual tables and their shadow tables are not in the catalog', async () => {
    await world.exec('create virtual table words using fts5(body)');
    await world.exec('create table counted (id integer primary key autoincrement, v text)');
    const database = await openDatabase(world.url);
    const names = (await database.catalog()).map(({ name }) => name);
    expect(names.filter((name) => /^(words|sqlite)/.test(name))).toEqual([]);
    expect(names).toContain('counted');
    await database.close();
  });
});
