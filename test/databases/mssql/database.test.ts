import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type sql from 'mssql';
import type { Database, RowShape } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { describeDatabase, eventually, type Fixture } from '../../contract/database.ts';
import { connectMssql, createMssqlDatabase, mssqlServer } from '../../support/mssql.ts';
import type { TestDatabase } from '../../support/postgres.ts';

async function contractFixture(): Promise<Fixture> {
  const world = await createMssqlDatabase();
  return { ...world, exec: (statement) => world.exec(translated(statement)) };
}

/** The contract's SQL in the dialect of SQL Server: N'literals', Unicode types of full length, computed columns. */
function translated(statement: string): string {
  return statement
    .replace(/"(?:[^"]|"")*"|N?('(?:[^']|'')*')/g, (whole, literal) =>
      literal === undefined || isAscii(literal) ? whole : `N${literal}`,
    )
    .replace(/\(v text not null/, '(v nvarchar(400) not null')
    .replace(/\btext\b/g, 'nvarchar(max)')
    .replace(/g varchar\(9\) generated always as \(v\) stored/, 'g as (cast(v as nvarchar(9)))')
    .replace(/\bvarchar\(/g, 'nvarchar(');
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

/** Tests that a substitute which only speaks the protocol cannot pass, found by trying; SQL Server can pass all. */
async function beyondServer(): Promise<ReadonlySet<string>> {
  const beyond = new Set<string>();
  // The search reads text columns only there
  beyond.add('finds the UTF-8 of a search text in a binary column too');
  const pool = await connectMssql('master');
  const fails = async (statement: string): Promise<boolean> =>
    pool
      .request()
      .batch(statement)
      .then(
        ({ recordset }) => recordset !== undefined && Object.values(recordset[0] ?? {})[0] !== 'yes',
        () => true,
      );
  const table = `keyturn_probe_${process.pid}`;
  await pool.request().batch(`create table ${table} (id int primary key, v nvarchar(9))`);
  await pool.request().batch(`insert into ${table} values (1, 'v')`);
  if (await fails(`select case when datalength(N'a') = 2 then 'yes' end`)) {
    beyond.add('limits a chunk by bytes, but to no less than one row');
    beyond.add('measures the longest value in characters');
  }
  if (await fails(`select case when convert(varchar(9), 0x41, 1) = '0x41' then 'yes' end`))
    beyond.add('pages through row ids: bytes');
  if (await fails(`alter table ${table} alter column v nvarchar(10) collate Latin1_General_CI_AS null`))
    beyond.add('widens a column and keeps the rest of its declaration');
  if (
    await fails(
      `create unique index i on ${table} (v) where v <> '' select 'yes' from sys.indexes where name = 'i' and has_filter = 1`,
    )
  )
    beyond.add('uses no unique index that is nullable, partial or over an expression');
  for (const name of ['quote"d', 'b[1]', "d'e"])
    if (
      await fails(
        `create table [${name.replace(']', ']]')}] (id int) select 'yes' from sys.tables where has_perms_by_name(quotename(name), 'OBJECT', 'UPDATE') = 1 and name = '${name.replace("'", "''")}'`,
      )
    )
      beyond.add(`accepts the identifier ${name}`);
  if (await lacksRowLocks(pool, table)) beyond.add('lock the rows that they read against writers');
  await pool.request().batch(`drop table ${table}`);
  await pool.close();
  return beyond;
}

async function lacksRowLocks(pool: sql.ConnectionPool, table: string): Promise<boolean> {
  const holder = pool.transaction();
  await holder.begin();
  await holder.request().query(`select v from ${table} with (updlock) where id = 1`);
  const free = await pool
    .request()
    .batch(`set lock_timeout 200; update ${table} set v = 'w' where id = 1; set lock_timeout -1`)
    .then(
      () => true,
      () => false,
    );
  await holder.rollback();
  return free;
}

test('a server that cannot be reached is reported without the password', async () => {
  const error = await openDatabase('mssql://u:TOP-SECRET@127.0.0.1:1/d').catch((failure) => failure);
  expect(error).toMatchObject({ code: 'database-unreachable', exitCode: 2, hint: expect.any(String) });
  expect(error.message).toContain('cannot reach mssql://u@127.0.0.1:1/d');
  expect(`${error.message} ${error.stack} ${error.cause?.stack}`).not.toContain('TOP-SECRET');
});

if (mssqlServer === undefined) {
  test.todo('SQL Server: set KEYTURN_TEST_MSSQL to the URL of a server to run its tests');
} else {
  const beyond = await beyondServer();
  if (beyond.size > 0)
    console.warn(`skipped, since this server does not support it: ${[...beyond].join('; ')}`);
  describeDatabase('mssql', contractFixture, {
    caseInsensitive: 'nvarchar(40) collate Latin1_General_CI_AS',
    exactText: 'nvarchar(40) collate Latin1_General_100_BIN2',
    padsText: true,
    length: (value) => value.length,
    text: (value) => `N'${value.replaceAll("'", "''")}'`,
    binary: 'varbinary(max)',
    bytes: (value) => `0x${value.toString('hex')}`,
    trigger: (name, event, table) => [
      `create trigger ${name} on ${table} after ${event} as begin select 'not an answer' end`,
    ],
    uselessIndexes: (table) => [
      `create unique index ${table}_partial on ${table} (v) where v <> ''`,
      `alter table ${table} add l as lower(v)`,
      `create unique index ${table}_expression on ${table} (l)`,
      `create unique index ${table}_mixed on ${table} (v, l)`,
    ],
    impatient: 'set lock_timeout 200',
    program: 'the application',
    idCases: [
      {
        name: 'uniqueidentifier',
        columns: { a: 'uniqueidentifier' },
        rows: [
          "'00000000-0000-0000-0000-0000000000ff'",
          "'ff000000-0000-0000-0000-000000000000'",
          "'0f000000-0000-0000-0000-000000000000'",
          "'10000000-0000-4000-8000-00000000000a'",
        ],
      },
      {
        name: 'text of a code page',
        columns: { a: 'VARCHAR(10) collate Latin1_General_CI_AS', b: 'VARCHAR(20)' },
        rows: ["'b', 'x'", "'B', 'y'", "'a', 'x'", "'Ä', 'x'", "'it''s', 'x'", "'', 'z'"],
      },
      {
        name: 'decimals and money',
        columns: { a: 'decimal(38,10)', b: 'money', c: 'numeric(5,2)' },
        rows: [
          '10.5, 1.0001, 1',
          '9.25, 1.0002, 1',
          '-0.1, 922337203685477.5807, 1',
          '1234567890123456789012345678.0123456789, 1, 1',
          '9.25, 1.0003, 999.99',
        ],
      },
      {
        name: 'floats',
        columns: { a: 'float', b: 'real' },
        rows: ['0.1, 0.1', '0.30000000000000004, 3', '0.3, 16777217', '1e300, 0', '-1e-300, 0'],
      },
      {
        name: 'dates and times',
        columns: { a: 'datetime2(7)', b: 'datetime', c: 'date' },
        rows: [
          "'2024-02-29T12:00:00.1234567', '2024-02-29T12:00:00.003', '2024-02-29'",
          "'2024-02-29T12:00:00.1234579', '2024-02-29T12:00:00.007', '0001-01-01'",
          "'2024-02-29T12:00:00.1234579', '2024-02-29T12:00:00', '2024-02-29'",
          "'9999-12-31T23:59:59.9999999', '1900-01-01', '9999-12-31'",
          "'0001-01-01', '1753-01-01', '2024-02-29'",
        ],
      },
      {
        name: 'times with an offset',
        columns: { a: 'datetimeoffset(7)', b: 'time(7)', c: 'smalldatetime' },
        rows: [
          "'2024-02-29T12:00:00.1234567+05:30', '23:59:59.9999999', '2024-02-29T12:00:00'",
          "'2024-02-29T12:00:00.1234567-08:00', '00:00:00', '2024-02-29T12:00:00'",
          "'2024-02-29T12:00:00.1234567+00:00', '00:00:00.0000011', '1900-01-01'",
          "'2024-02-29T12:00:00.1234567+00:00', '00:00:00.0000021', '1900-01-01'",
        ],
      },
      {
        name: 'bytes',
        columns: { a: 'varbinary(20)', b: 'binary(2)' },
        rows: ['0x00, 0x0000', '0xff00, 0x0001', '0xfe, 0x0001', '0x, 0x0100', '0x5c, 0xffff'],
      },
      {
        name: 'char, which is padded, and bits',
        columns: { a: 'nchar(3)', b: 'bit', c: 'tinyint' },
        rows: ["'a', 0, 1", "'a', 1, 0", "'ab', 0, 255", "'abc', 0, 10", "'', 1, 9"],
      },
    ],
    beyond,
  });
  describeMssql();
}

function describeMssql(): void {
  describe('SQL Server, beyond the contract', () => {
    let world: TestDatabase;
    let database: Database;

    beforeAll(async () => {
      world = await createMssqlDatabase();
      database = await openDatabase(world.url);
    });

    afterAll(async () => {
      await database?.close();
      await world?.close();
    });

    const shape: RowShape = { table: 'watched', id: ['id'], columns: ['v'], written: 1 };
    const value = async (): Promise<unknown> =>
      (await world.exec('select v from watched where id = 1'))[0]?.v;

    test('knows what it wrote to a table whose trigger returns rows', async () => {
      await world.exec('create table watched (id int primary key, v nvarchar(max))');
      await world.exec(`insert into watched values (1, 'a'), (2, 'b')`);
      await world.exec(`create trigger tell on watched after update as begin select 7 as n end`);
      await database.catalog();
      const changes = ['1', '2', '3'].map((id) => ({ id: [id], old: ['a'], new: ['n'] }));
      expect(await database.transaction((trx) => database.write(trx, shape, changes))).toEqual([1, 2]);
      expect(await value()).toBe('n');
    });

    test('writes more rows than fit into one statement', async () => {
      await world.exec('create table long_one (id int primary key, v nvarchar(max))');
      await world.exec(
        `insert into long_one select top (4500) row_number() over (order by a.object_id, b.object_id), 'v' from sys.all_objects a cross join (select top (9) object_id from sys.all_objects) b`,
      );
      await database.catalog();
      const of: RowShape = { ...shape, table: 'long_one' };
      const rows = await database.readRange(of, { after: null, upTo: null });
      expect(rows).toHaveLength(4500);
      const changes = rows.map((row, n) => ({
        id: row.id,
        old: [n === 4100 ? 'w' : 'v'],
        new: ['x'.repeat(5000)],
      }));
      expect(await database.transaction((trx) => database.write(trx, of, changes))).toEqual([4100]);
    });

    test('commits nothing after an error that was ignored', async () => {
      const swallowing = database.transaction(async (trx) => {
        await database.write(trx, shape, [{ id: ['1'], old: ['n'], new: ['swallowed'] }]);
        await trx.raw('select 1 / 0').catch(() => undefined);
        await trx.raw(`update watched set v = 'stray'`).catch(() => undefined);
      });
      await expect(swallowing).rejects.toThrow('the transaction has ended');
      expect(await value()).toBe('n');
    });

    test('reports a statement that timed out, and continues', async () => {
      const hasty = await openDatabase(world.url, { statementTimeoutMs: 300 });
      const many = 'sys.all_columns a cross join sys.all_columns b cross join sys.all_columns c';
      const slow = await hasty.server.isTrue(`select count_big(*) from ${many}`).catch((error) => error);
      expect([hasty.failures.isTimeout(slow), hasty.failures.isTransient(slow)]).toEqual([true, false]);
      expect(await hasty.server.isTrue('select 1')).toBe(true);
      await hasty.close();
    });

    test('continues after its connections were cut', async () => {
      expect(await database.server.isTrue('select 1')).toBe(true);
      for (const { id } of await world.exec(
        `select session_id as id from sys.dm_exec_sessions where database_id = db_id() and program_name = 'keyturn'`,
      ))
        await world.exec(`kill ${id}`);
      const error = await database.server.isTrue('select 1').catch((failure) => failure);
      expect(error === true || database.failures.isTransient(error)).toBe(true);
      expect(await eventually(() => database.server.isTrue('select 1'))).toBe(true);
    });

    test('reports a wrong password, database or schema', async () => {
      const opening = (change: (url: URL) => void): Promise<unknown> => {
        const url = new URL(world.url);
        change(url);
        return openDatabase(url.href).catch((error) => error);
      };
      const wrong = await opening((url) => {
        url.password = 'TOP-SECRET';
      });
      expect(wrong).toMatchObject({
        code: 'database-unreachable',
        message: expect.stringContaining('did not accept the login'),
      });
      expect(String((wrong as Error).stack)).not.toContain('TOP-SECRET');
      expect(
        await opening((url) => {
          url.pathname = '/keyturn_nowhere';
        }),
      ).toMatchObject({ code: 'database-missing' });
      expect(await opening((url) => url.searchParams.set('schema', 'nowhere'))).toMatchObject({
        code: 'database-missing',
      });
    });

    test('creates tables in the given schema, with row ids that differ by case', async () => {
      await world.exec('create schema [its own]');
      const url = new URL(world.url);
      url.searchParams.set('schema', 'its own');
      const own = await openDatabase(url.href);
      await own.knex.schema.createTable('keyturn_own', (table) => {
        table.string('id', 40).primary();
        table.integer('n').notNullable().defaultTo(7);
        table.text('long');
      });
      const id = 'an id in any case';
      await own.knex('keyturn_own').insert([{ id }, { id: id.toUpperCase(), n: 2 ** 40 }]);
      expect(
        await world.exec(`select schema_name(schema_id) as s from sys.tables where name = 'keyturn_own'`),
      ).toEqual([{ s: 'its own' }]);
      expect(await own.knex('keyturn_own').where({ id })).toEqual([{ id, n: 7, long: null }]);
      expect(await own.knex('keyturn_own').sum('n as n').first()).toEqual({ n: 2 ** 40 + 7 });
      await own.knex.schema.dropTableIfExists('keyturn_own');
      await own.knex.schema.dropTableIfExists('keyturn_own');
      expect(await world.exec(`select name from sys.tables where name like 'keyturn[_]%'`)).toEqual([]);
      await own.close();
    });

    test('reports the privileges that a login does not have', async () => {
      const name = `keyturn_guest_${process.pid}`;
      await world.exec(`create login ${name} with password = 'Guest-12345678'`);
      try {
        await world.exec(`create user ${name} for login ${name}`);
        await world.exec(`grant select on watched to ${name}`);
        const url = new URL(world.url);
        url.username = name;
        url.password = 'Guest-12345678';
        const guest = await openDatabase(url.href);
        try {
          const { createTable, update } = await guest.server.privileges(['watched']);
          expect([createTable, update.get('watched')]).toEqual(['no', 'no']);
          await guest.catalog();
          const denied = await guest
            .transaction((trx) => guest.write(trx, shape, [{ id: ['1'], old: ['n'], new: ['m'] }]))
            .catch((error) => error);
          // A substitute may use a number of its own, which keyturn does not know
          expect(guest.failures.isDenied(denied)).toBe(denied.number === 229);
          expect(guest.failures.isTransient(denied)).toBe(false);
        } finally {
          await guest.close();
        }
      } finally {
        await world.exec(`revoke select on watched from ${name}`);
        await world.exec(`drop user if exists ${name}`);
        await eventually(() => world.exec(`drop login ${name}`));
      }
    });
  });
}
