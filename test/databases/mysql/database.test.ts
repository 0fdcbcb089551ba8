import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mysql2 from 'mysql2/promise';
import { checkpointVersion, migrate, readCheckpointVersion } from '../../../src/checkpoint/schema.ts';
import type { Database, RowShape, Transaction } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { describeDatabase, eventually, type TestDialect } from '../../contract/database.ts';
import { createMysqlDatabase, driverUrl, type MariadbServer, startMariadb } from '../../support/mariadb.ts';
import { needing } from '../../support/needing.ts';
import type { TestDatabase } from '../../support/postgres.ts';

const idCases: TestDialect['idCases'] = [
  {
    name: 'a collation that ignores case, accents and trailing spaces',
    columns: { a: 'varchar(9) collate utf8mb4_unicode_ci' },
    rows: ["'b'", "'A'", "'ç'", "'B1'", "'ä1'", "'_'", "'C2'", "'-a'", "'a b'", "'😀'"],
  },
  {
    name: 'a collation that ignores case, and another column',
    columns: { a: 'varchar(9) collate utf8mb4_general_ci', b: 'int' },
    rows: ["'b', 2", "'B', 1", "'a ', 1", "'A', 2", "'b ', 3", "'c', 0"],
  },
  {
    name: 'Latin 1',
    columns: { a: 'varchar(9) character set latin1 collate latin1_german1_ci' },
    rows: ["'b'", "'B1'", "'ä'", "'z'", "'ß'", "'€'", "'_'"],
  },
  {
    name: 'char, which is padded',
    columns: { a: 'char(3)', b: 'char(3) character set ascii collate ascii_bin' },
    rows: ["'a', 'x'", "'a  ', 'y'", "'ab', 'x'", "'abc', 'x'", "'', 'z'"],
  },
  {
    name: 'unsigned beyond 2^63',
    columns: { a: 'bigint unsigned' },
    rows: [
      '18446744073709551615',
      '18446744073709551614',
      '9223372036854775808',
      '9223372036854775807',
      '0',
      '10',
      '9',
    ],
  },
  {
    name: 'integers of all sizes',
    columns: { a: 'tinyint', b: 'smallint unsigned', c: 'mediumint', d: 'int zerofill' },
    rows: ['-128, 65535, -8388608, 1', '127, 0, 8388607, 4294967295', '-128, 9, 0, 10', '-128, 10, 0, 9'],
  },
  {
    name: 'decimals',
    columns: { a: 'decimal(40,20)' },
    rows: [
      '10.50',
      '9.25',
      '-0.1',
      '12345678901234567890.00000000000000000001',
      '0.30000000000000000001',
      '0.3',
    ],
  },
  {
    name: 'reals',
    columns: { a: 'double', b: 'float' },
    rows: [
      '0.1, 0.1',
      '-1e300, 1',
      '0.30000000000000004, 3',
      '0.3, 16777216',
      '0.3, 16777215',
      '1e-300, 0.1',
      // As texts of 16 digits these are other numbers
      '-1.4244973971460625e308, -3.321227941022086e38',
      '0.12345678901234568, -2.1264615537e30',
      '9007199254740993, 0.33333334',
    ],
  },
  {
    name: 'dates and times with microseconds',
    columns: { a: 'datetime(6)', b: 'timestamp(6)' },
    rows: [
      "'2024-01-01 00:00:00.000001'",
      "'2024-01-01 00:00:00.000002'",
      "'1000-01-01'",
      "'9999-12-31 23:59:59.999999'",
    ].flatMap((a) =>
      ["'2024-01-01 00:00:00.999999'", "'2024-01-01 00:00:00.999998'"].map((b) => `${a}, ${b}`),
    ),
  },
  {
    name: 'dates, times, years and bits',
    columns: { a: 'date', b: 'time(6)', c: 'year', d: 'bit(64)' },
    rows: [
      "'1000-01-01', '-838:59:59', 1901, b'1'",
      "'2024-02-29', '00:00:00.000001', 2155, b'11'",
      "'2024-02-29', '-00:00:00.000001', 2155, b'11'",
      "'2024-02-29', '10:00', 1901, 0xffffffffffffffff",
      "'2024-02-29', '10:00', 1901, 0xfffffffffffffffe",
    ],
  },
  {
    name: 'a UUID in 16 bytes',
    columns: { a: 'binary(16)' },
    rows: [
      '00000000000000000000000000000000',
      'ff00000000000000000000000000005c',
      '0f270000000000000000000000000000',
      '10203a00000000000000000000000000',
    ].map((hex) => `x'${hex}'`),
  },
  {
    name: 'bytes of any length',
    columns: { a: 'varbinary(9)', b: 'int' },
    rows: ["x'00', 1", "x'ff00', 2", "x'ff', 1", "x'', 1", "x'00', 0", "x'5c', 1", "x'0020', 1"],
  },
  {
    name: 'enums and sets, in the order of their declaration',
    columns: { a: "enum('sad','o''k','happy','a\\\\b')", b: "set('x','y','z')" },
    rows: ["'happy', 'x'", "'sad', 'y,z'", "'o''k', ''", "'sad', 'x,z'", "'sad', ''", "'a\\\\b', 'z'"],
  },
  {
    name: 'text, timestamp, number and bytes',
    columns: {
      a: 'varchar(9) collate utf8mb4_general_ci',
      b: 'timestamp(3)',
      c: 'bigint unsigned',
      d: 'binary(2)',
    },
    rows: ["'a'", "'B'"].flatMap((a) =>
      ["'2024-01-01 00:00:00.001', 18446744073709551615", "'2024-01-01 00:00:00.002', 1"].flatMap((bc) =>
        ["x'00ff'", "x'ff00'"].map((d) => `${a}, ${bc}, ${d}`),
      ),
    ),
  },
];

const dialect = {
  quote: '`',
  caseInsensitive: 'varchar(40) collate utf8mb4_general_ci',
  text: (value) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
  binary: 'longblob',
  bytes: (value) => `x'${value.toString('hex')}'`,
  trigger: (name, event, table) => [
    `create trigger ${name} after ${event} on ${table} for each row set @nothing = 1`,
  ],
  uselessIndexes: (table) => [
    `create unique index ${table}_prefix on ${table} (v(10))`,
    `create unique index ${table}_mixed on ${table} (n, v(10))`,
  ],
  impatient: 'set innodb_lock_wait_timeout = 1',
  idCases,
} satisfies Partial<TestDialect>;

const onMariadb = needing('mariadb-server').describe;

onMariadb('a server of its own', () => {
  describeDatabase('mariadb', createMysqlDatabase, {
    ...dialect,
    exactText: 'varchar(40) collate utf8mb4_nopad_bin',
    // The performance schema, which has the names of programs, is off by default
    program: '"login":"keyturn"',
    idCases: [
      ...idCases,
      {
        name: "MariaDB's own types",
        columns: { a: 'uuid', b: 'inet6' },
        rows: [
          "'00000000-0000-1000-8000-0000000000ff', '::1'",
          "'ff000000-0000-1000-8000-000000000000', '::ffff:10.0.0.1'",
          "'0f000000-0000-4000-8000-000000000000', '::2'",
          "'0f000000-0000-4000-8000-000000000000', 'fe80::'",
        ],
      },
    ],
  });
});

const mysql = process.env.KEYTURN_TEST_MYSQL;
if (mysql === undefined)
  test.skip('MySQL: skipped, since KEYTURN_TEST_MYSQL names no server', () => undefined);
else
  describeDatabase('mysql', () => createMysqlDatabase(mysql), {
    ...dialect,
    exactText: 'varchar(40) collate utf8mb4_0900_bin',
    program: 'the application',
  });

onMariadb('MariaDB, beyond the contract', () => {
  let world: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    world = await createMysqlDatabase();
    database = await openDatabase(world.url);
  });
  afterAll(async () => {
    await database?.close();
    await world?.close();
  });

  test('a session that begins or ends meanwhile is not listed, and one that stays is', async () => {
    const [going, staying] = await Promise.all([connected(), connected()]);
    const asked = database.server.sessions();
    await world.exec('do sleep(0.1)');
    await going.end();
    expect(await asked).toHaveLength(1);
    await staying.end();
    expect(await database.server.sessions()).toEqual([]);
  });

  /** A session without keyturn's mark, like one of keyturn that is just beginning or ending. */
  const connected = () => mysql2.createConnection(driverUrl(world.url));

  const table = async (name: string) => (await database.catalog()).find((each) => each.name === name);
  const shapeOf = (name: string, columns: readonly string[] = ['v']): RowShape => ({
    table: name,
    id: ['id'],
    columns,
    written: columns.length,
  });

  test('the catalog has types, widths and generated columns, and ignores a unique index of hashes', async () => {
    await world.exec(`create table types (id int primary key, v varchar(20), c char(3), t text, m mediumtext, l longtext,
      j json, b varbinary(9), o blob, e enum('a'), g varchar(9) as (v) virtual, h text not null, unique (h))`);
    const found = await table('types');
    expect(
      found?.columns.map(({ name, type, holds, maxLength, generated }) => [
        name,
        type,
        holds,
        maxLength,
        generated,
      ]),
    ).toEqual([
      ['id', 'int', 'other', null, false],
      ['v', 'varchar', 'text', 20, false],
      ['c', 'char', 'text', 3, false],
      ['t', 'text', 'text', 65_535, false],
      ['m', 'mediumtext', 'text', 16_777_215, false],
      ['l', 'longtext', 'text', null, false],
      ['j', 'longtext', 'text', null, false],
      ['b', 'varbinary', 'binary', 9, false],
      ['o', 'blob', 'binary', 65_535, false],
      ['e', 'enum', 'other', null, false],
      ['g', 'varchar', 'text', 9, true],
      ['h', 'text', 'text', 65_535, false],
    ]);
    await world.exec('create table hashed (h text not null, unique (h))');
    expect((await table('hashed'))?.rowId).toEqual([]);
  });

  test('a text with a limit in bytes is measured in bytes', async () => {
    await world.exec(
      "create table measured_bytes (id int primary key, v text, w varchar(9)); insert into measured_bytes values (1, 'äöü😀', 'äöü😀')",
    );
    await database.catalog();
    expect([
      await database.longest('measured_bytes', 'v'),
      await database.longest('measured_bytes', 'w'),
    ]).toEqual([10, 4]);
  });

  test('a system-versioned table can be written, and its history causes a warning', async () => {
    await world.exec(`create table versioned (id int primary key, v text) with system versioning;
      create table bitemporal (id int primary key, v text, s timestamp(6) generated always as row start,
        e timestamp(6) generated always as row end, period for system_time (s, e)) with system versioning;
      insert into versioned values (1, 'old'); insert into bitemporal (id, v) values (1, 'old')`);
    expect(await table('versioned')).toMatchObject({ rowId: ['id'] });
    const { rowId, columns } = (await table('bitemporal')) ?? {};
    expect(rowId).toEqual(['id']);
    expect(columns?.map(({ generated }) => generated)).toEqual([false, false, true, true]);
    for (const name of ['versioned', 'bitemporal']) {
      const change = { id: ['1'], old: ['old'], new: ['new'] };
      expect(await database.transaction((trx) => database.write(trx, shapeOf(name), [change]))).toEqual([]);
      expect(await database.readRange(shapeOf(name), { after: null, upTo: null })).toEqual([
        { id: ['1'], values: ['new'] },
      ]);
      expect(await database.count(name)).toBe(1);
      expect((await database.server.privileges([name])).update.get(name)).toBe('yes');
    }
    expect(await database.server.warnings(['versioned', 'measured_bytes'])).toEqual([
      expect.stringMatching(/^versioned is system-versioned: .* history$/),
    ]);
  });

  test('a table without transactions is refused by the check of privileges and by every write', async () => {
    await world.exec(
      "create table loose (id int primary key, v text) engine=MyISAM; insert into loose values (1, 'old')",
    );
    await database.catalog();
    const refusal = { code: 'no-transactions', hint: 'alter table `loose` engine = InnoDB' };
    await expect(database.server.privileges(['loose'])).rejects.toMatchObject(refusal);
    const change = { id: ['1'], old: ['old'], new: ['new'] };
    await expect(
      database.transaction((trx) => database.write(trx, shapeOf('loose'), [change])),
    ).rejects.toMatchObject(refusal);
  });

  test('columns with the time of the last update keep it', async () => {
    await world.exec(`create table stamped (id int primary key, v text,
      at timestamp not null default '2020-01-01' on update current_timestamp, d datetime(6) default null on update current_timestamp(6));
      insert into stamped (id, v) values (1, 'old')`);
    await database.catalog();
    const change = { id: ['1'], old: ['old'], new: ['new'] };
    await database.transaction((trx) => database.write(trx, shapeOf('stamped'), [change]));
    expect(await world.exec('select v, cast(at as char) at, d from stamped')).toEqual([
      { v: 'new', at: '2020-01-01 00:00:00', d: null },
    ]);
  });

  test('texts in other character sets are compared as characters, and a character that does not fit is refused', async () => {
    await world.exec(
      "create table latin (id int primary key, v varchar(40) character set latin1); insert into latin values (1, 'ä€')",
    );
    await database.catalog();
    const write = (old: string, next: string) =>
      database.transaction((trx) =>
        database.write(trx, shapeOf('latin'), [{ id: ['1'], old: [old], new: [next] }]),
      );
    expect(await write('Ä€', 'x')).toEqual([0]);
    expect(await database.search(shapeOf('latin'), ['€'], null, 9)).toHaveLength(1);
    const failure = await write('ä€', 'TOP-SECRET 😀').catch((error) => error);
    expect(failure).toMatchObject({ errno: 1366 });
    expect(`${failure.message} ${failure.stack} ${JSON.stringify(failure)}`).not.toContain('TOP-SECRET');
    expect(await write('ä€', 'ü')).toEqual([]);
    const wide = await write('ü', 'TOP-SECRET'.repeat(9)).catch((error) => error);
    expect(`${wide.message} ${wide.stack} ${JSON.stringify(wide)}`).not.toContain('TOP-SECRET');
    expect(wide).toMatchObject({ errno: 1406 });
  });

  test('bytes that their character set does not define are not overwritten by question marks', async () => {
    await world.exec(`create table cyrillic (id int primary key, v varchar(40) character set cp1251, w varchar(40) character set cp1251);
      insert into cyrillic values (1, cast(x'4198' as binary), 'w'), (2, 'Жук', cast(x'98' as binary))`);
    await database.catalog();
    const shape = { table: 'cyrillic', id: ['id'], columns: ['v', 'w'], written: 2 };
    const rows = await database.readRange(shape, { after: null, upTo: null });
    expect(rows[0]?.values).toEqual(['A?', 'w']);
    const changes = rows.map(({ id, values: [v = '', w = ''] }) => ({ id, old: [v, w], new: [`${v}!`, w] }));
    expect(await database.transaction((trx) => database.write(trx, shape, changes))).toEqual([0, 1]);
    expect(await world.exec('select hex(v) v, hex(w) w from cyrillic')).toEqual([
      { v: '4198', w: '77' },
      { v: 'C6F3EA', w: '98' },
    ]);
  });

  test('zero dates and invalid dates can be row ids', async () => {
    await world.exec(`set statement sql_mode = 'ALLOW_INVALID_DATES' for create table dated (id date primary key, v text);
      set statement sql_mode = 'ALLOW_INVALID_DATES' for insert into dated values ('0000-00-00', 'a'), ('2024-02-31', 'b'), ('2024-03-01', 'c')`);
    await database.catalog();
    const rows = await database.readRange(shapeOf('dated'), { after: ['0000-00-00'], upTo: ['2024-02-31'] });
    expect(rows).toEqual([{ id: ['2024-02-31'], values: ['b'] }]);
    expect(await database.readRows(shapeOf('dated'), [['0000-00-00'], ['2024-02-31']])).toHaveLength(2);
  });

  test('reading and writing use the index', async () => {
    await world.exec(
      "create table large (a int, b int, c varchar(20) collate utf8mb4_unicode_ci, v text, primary key (a, b, c)); insert into large select seq div 100, seq % 100, concat('x', seq), 'v' from seq_1_to_50000",
    );
    await database.catalog();
    const shape: RowShape = { table: 'large', id: ['a', 'b', 'c'], columns: ['v'], written: 1 };
    const touched = async (): Promise<number> => {
      const rows = (await database.knex.raw(`show session status like 'Handler_read%'`))[0] as {
        Value: string;
      }[];
      return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
    };
    const before = await touched();
    const upTo = await database.boundAfter(shape, ['250', '50', 'x25050'], { rows: 100, bytes: 1e6 });
    const rows = await database.readRange(shape, { after: ['250', '50', 'x25050'], upTo });
    const again = await database.readRows(
      shape,
      rows.map((row) => row.id),
    );
    const changes = rows.map((row) => ({ id: row.id, old: row.values, new: row.values }));
    expect(await database.transaction((trx) => database.write(trx, shape, changes))).toEqual([]);
    expect([rows.length, again.length]).toEqual([100, 100]);
    expect((await touched()) - before).toBeLessThan(2_000);
  });

  test('a lost run lock is reported, and a released one is not lost', async () => {
    const lock = await database.lockRun();
    const [row] = await world.exec(
      `select is_used_lock(concat('keyturn-run-', left(sha2(database(), 256), 40))) as id`,
    );
    await world.exec(`kill ${row!.id}`);
    const lost = await lock.lost.catch((error) => error);
    expect(lost).toMatchObject({ code: 'run-lock', message: expect.stringContaining('was lost') });
    expect(database.failures.isTransient(lost)).toBe(true);
    await lock.release();
    const next = await eventually(() => database.lockRun());
    await next.release();
    const winner = await Promise.race([
      next.lost.catch(() => 'lost'),
      new Promise((resolve) => setImmediate(resolve, 'released')),
    ]);
    expect(winner).toBe('released');
  });

  test('a deadlock is transient', async () => {
    await world.exec(
      "create table dead (id int primary key, v text); insert into dead values (1, 'x'), (2, 'x')",
    );
    await database.catalog();
    const take = (trx: Transaction, id: string) =>
      database.write(trx, shapeOf('dead'), [{ id: [id], old: ['x'], new: ['x'] }]);
    let arrived = 0;
    let open: () => void;
    const both = new Promise<void>((resolve) => {
      open = resolve;
    });
    const crossing = (first: string, second: string) =>
      database.transaction(async (trx) => {
        await take(trx, first);
        if (++arrived === 2) open();
        await both;
        await take(trx, second);
      });
    const results = await Promise.allSettled([crossing('1', '2'), crossing('2', '1')]);
    const failed = results.filter((result) => result.status === 'rejected');
    expect(failed).toHaveLength(1);
    expect(failed[0]!.reason).toMatchObject({ errno: 1213 });
    expect(database.failures.isTransient(failed[0]!.reason)).toBe(true);
  });

  test('a lost connection is transient, and the next transaction gets a new one', async () => {
    const failure = await database
      .transaction(async (trx) => {
        const [[{ id }]] = await trx.raw('select connection_id() as id');
        await world.exec(`kill ${id}`);
        await trx.raw('select 1');
      })
      .catch((error) => error);
    expect({ transient: database.failures.isTransient(failure), message: failure.message }).toMatchObject({
      transient: true,
    });
    await expect(database.count('dead')).resolves.toBe(2);
  });

  test('a transaction in which the error of a statement was ignored is not committed', async () => {
    await world.exec(
      "create table swallowed (id int primary key, v text); insert into swallowed values (1, 'old')",
    );
    await database.catalog();
    const change = { id: ['1'], old: ['old'], new: ['new'] };
    const failing = [
      (trx: Transaction) => trx.raw('select no_such_column').catch(() => undefined),
      (trx: Transaction) =>
        database.write(trx, shapeOf('swallowed', ['v', 'no_such_column']), [change]).catch(() => undefined),
      (trx: Transaction) => database.readRows(shapeOf('swallowed'), [['x']], trx).catch(() => undefined),
    ];
    for (const [at, fail] of failing.entries()) {
      const work = database.transaction(async (trx) => {
        await database.write(trx, shapeOf('swallowed'), [change]);
        await fail(trx);
      });
      if (at === 0) await expect(work).rejects.toThrow('a statement in the transaction failed');
      else await work.catch(() => undefined);
      await world.exec("update swallowed set v = 'old'");
    }
  });

  test('a statement that timed out is distinguished from other failures', async () => {
    const hurried = await openDatabase(world.url, { statementTimeoutMs: 100 });
    const failure = await hurried.server.isTrue('select sleep(20) from dead').catch((error) => error);
    expect([hurried.failures.isTimeout(failure), hurried.failures.isTransient(failure)]).toEqual([
      true,
      false,
    ]);
    await hurried.close();
  });

  test('a change that is larger than a packet is refused with the row and the setting', async () => {
    await world.exec(
      "create table bulky (id int primary key, v longtext); insert into bulky values (1, repeat('x', 9000000)), (2, 'y')",
    );
    await database.catalog();
    const [bulky, small] = await database.readRange(shapeOf('bulky'), { after: null, upTo: null });
    const next = ['z'.repeat(9_000_000)];
    await expect(
      database.transaction((trx) =>
        database.write(trx, shapeOf('bulky'), [
          { id: small!.id, old: small!.values, new: ['new'] },
          { id: bulky!.id, old: bulky!.values, new: next },
        ]),
      ),
    ).rejects.toMatchObject({
      code: 'row-too-large',
      message:
        'row 1 of bulky does not fit into one statement: its old and new values exceed max_allowed_packet',
      hint: 'run "set global max_allowed_packet = 33554432" on the server, then keyturn resume',
    });
    expect((await world.exec('select v from bulky where id = 2'))[0]!.v).toBe('y');
  });

  test('many large changes are written in one transaction, and conflicting ones are reported', async () => {
    await world.exec(`create table packets (id int primary key, v longtext);
      insert into packets select seq, concat(seq, repeat('x', 1500000)) from seq_1_to_20`);
    await database.catalog();
    const rows = await database.readRange(shapeOf('packets'), { after: null, upTo: null });
    const changes = rows.map(({ id, values }) => ({
      id,
      old: ['4', '19'].includes(id[0]!) ? ['other'] : values,
      new: [`${values[0]!.slice(0, -1)}y`],
    }));
    expect(await database.transaction((trx) => database.write(trx, shapeOf('packets'), changes))).toEqual([
      3, 18,
    ]);
    expect(await world.exec("select id from packets where v not like '%xy' order by id")).toEqual([
      { id: 4 },
      { id: 19 },
    ]);
  });

  test('widening keeps collation, default, comment and NOT NULL, and changes a text to the next larger type', async () => {
    await world.exec(`create table narrowed (id int primary key, v varchar(5) character set latin1 collate latin1_bin not null default 'it''s' comment 'a, (5) b',
      t tinytext not null, b tinyblob, n int)`);
    await database.widen('narrowed', 'v', 50);
    await database.widen('narrowed', 't', 300);
    await database.widen('narrowed', 'b', 70_000);
    await expect(database.widen('narrowed', 'n', 5)).rejects.toMatchObject({ code: 'column-too-narrow' });
    const [shown] = await world.exec('show create table narrowed');
    const lines = String(shown!['Create Table']);
    expect(lines).toContain(
      "`v` varchar(50) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL DEFAULT 'it''s' COMMENT 'a, (5) b'",
    );
    expect(lines).toContain('`t` text NOT NULL');
    expect(lines).toContain('`b` mediumblob DEFAULT NULL');
  });

  test('unfinished checkpoint tables are created again, and used ones are never dropped', async () => {
    const { knex } = database;
    await world.exec(
      `create table keyturn_run (id int); create table keyturn_version (version int); insert into keyturn_version values (0)`,
    );
    await migrate(database);
    expect(await readCheckpointVersion(database)).toBe(checkpointVersion);
    await knex('keyturn_event').insert({ run: 'a', seq: 1, at: '', event: '', detail: '😀'.repeat(50_000) });
    await knex('keyturn_version').update({ version: 1 });
    await migrate(database);
    expect(await readCheckpointVersion(database)).toBe(checkpointVersion);
    await world.exec('drop table keyturn_version');
    await expect(migrate(database)).rejects.toMatchObject({
      code: 'checkpoint-altered',
      message: expect.stringContaining('keyturn_version'),
    });
    expect(await knex('keyturn_event').first('detail')).toEqual({ detail: '😀'.repeat(50_000) });
    const engines = await world.exec(
      `select distinct engine, table_collation c from information_schema.tables where table_schema = database() and table_name like 'keyturn\\_%'`,
    );
    expect(engines).toEqual([{ engine: 'InnoDB', c: 'utf8mb4_bin' }]);
  });

  describe('a restricted login', () => {
    const user = `restricted_${process.pid}`;
    let restricted: Database;

    beforeAll(async () => {
      await world.exec(`create user ${user} identified by 'p%w'; create table granted (id int primary key, v text, g text as (v));
        create table readable (id int primary key); create table partly (id int primary key, v text); create table hidden (id int primary key)`);
      await world.exec(
        `grant select, update on granted to ${user}; grant select on readable to ${user}; grant select (id), update (v) on partly to ${user}`,
      );
      const url = new URL(world.url);
      url.username = user;
      url.password = '';
      restricted = await openDatabase(url.href, { password: 'p%w' });
    });
    afterAll(async () => {
      await restricted?.close();
      await world.exec(`drop user ${user}`);
    });

    test('gets its privileges reported', async () => {
      const { createTable, update } = await restricted.server.privileges([
        'granted',
        'readable',
        'partly',
        'hidden',
        'absent',
      ]);
      expect(createTable).toBe('no');
      expect([...update]).toEqual([
        ['granted', 'yes'],
        ['readable', 'no'],
        ['partly', 'unknown'],
        ['hidden', 'unknown'],
        ['absent', 'unknown'],
      ]);
      await database.catalog();
      expect(await database.server.privileges(['granted'])).toEqual({
        createTable: 'yes',
        update: new Map([['granted', 'yes']]),
      });
    });

    test('also has the privileges of its role', async () => {
      await world.exec(
        `create role ${user}_role; grant create, update on ${new URL(world.url).pathname.slice(1)}.* to ${user}_role; grant ${user}_role to ${user}; set default role ${user}_role for ${user}`,
      );
      const url = new URL(world.url);
      url.username = user;
      url.password = 'p%25w';
      const by = await openDatabase(url.href);
      const { createTable, update } = await by.server.privileges(['readable']);
      await by.close();
      await world.exec(`drop role ${user}_role`);
      expect([createTable, update.get('readable')]).toEqual(['yes', 'yes']);
    });

    test('cannot see who else is connected', async () => {
      expect(await restricted.server.sessions()).toBeNull();
    });

    test('is refused for the missing privilege', async () => {
      const failure = await restricted
        .transaction((trx) =>
          restricted.write(trx, shapeOf('partly'), [{ id: ['1'], old: ['x'], new: ['y'] }]),
        )
        .catch((error) => error);
      expect([restricted.failures.isDenied(failure), restricted.failures.isTransient(failure)]).toEqual([
        true,
        false,
      ]);
      await expect(readCheckpointVersion(restricted)).rejects.toMatchObject({ code: 'no-grant' });
    });
  });
});

onMariadb('MariaDB with a binary log of statements, program names and TLS', () => {
  let server: MariadbServer;
  let world: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    server = await startMariadb({
      tls: true,
      config: ['log-bin=log', 'binlog-format=STATEMENT', 'performance-schema=ON', 'server-id=1'],
    });
    world = await createMysqlDatabase(server.url);
    database = await openDatabase(world.url);
  });
  afterAll(async () => {
    await database?.close();
    await world?.close();
    await server?.stop();
  });

  const withMode = (mode: string, ca = ''): string => `${world.url}?ssl-mode=${mode}${ca && `&ssl-ca=${ca}`}`;
  const cipher = async (url: string): Promise<boolean> => {
    const opened = await openDatabase(url);
    const yes = await opened.server.isTrue(
      `select variable_value <> '' from information_schema.session_status where variable_name = 'Ssl_cipher'`,
    );
    await opened.close();
    return yes;
  };

  test('can be written, although such a log does not allow READ COMMITTED', async () => {
    await world.exec("create table t (id int primary key, v text); insert into t values (1, 'old')");
    const change = { id: ['1'], old: ['old'], new: ['new'] };
    const shape: RowShape = { table: 't', id: ['id'], columns: ['v'], written: 1 };
    expect(await database.transaction((trx) => database.write(trx, shape, [change]))).toEqual([]);
  });

  test('warns of its binary log, and measures its size for a throttle', async () => {
    expect(await database.server.warnings([])).toEqual([expect.stringMatching(/^the binary log is on: /)]);
    expect(await database.server.gauges.binlog?.read()).toBeGreaterThan(100);
  });

  test('lists the programs of its sessions', async () => {
    const other = await openDatabase(world.url, { applicationName: 'the application' });
    await other.count('t');
    const programs = (await database.server.sessions())?.map(({ program }) => program);
    await other.close();
    expect(programs).toContain('the application');
    expect(programs).not.toContain('keyturn');
  });

  test.each([
    ['DISABLED', false],
    ['PREFERRED', true],
    ['REQUIRED', true],
    ['verify_ca', true],
    ['VERIFY_IDENTITY', true],
  ])('with ssl-mode=%s, a connection is encrypted: %s', async (mode, encrypted) => {
    expect(await cipher(withMode(mode, /^verify/i.test(mode) ? server.ca : ''))).toBe(encrypted);
  });

  test.each(['VERIFY_CA', 'VERIFY_IDENTITY'])(
    'with ssl-mode=%s, a certificate of an unknown CA is refused',
    async (mode) => {
      await expect(openDatabase(withMode(mode))).rejects.toMatchObject({
        code: 'database-unreachable',
        message: expect.stringMatching(/^no encrypted connection to /),
      });
    },
  );
});

onMariadb('opening MariaDB', () => {
  let world: TestDatabase;

  beforeAll(async () => {
    world = await createMysqlDatabase();
  });
  afterAll(async () => world.close());

  const change = (part: Partial<Pick<URL, 'pathname' | 'password' | 'port' | 'search'>>): string =>
    Object.assign(new URL(world.url), part).href;

  test.each([
    ['an unknown database', { pathname: '/absent' }, 'database-missing', /no database absent/],
    ['a wrong password', { password: 'WRONG-ONE' }, 'database-unreachable', /did not accept the login/],
    ['no password', { password: '' }, 'database-unreachable', /did not accept the login/],
    ['a closed port', { port: '1' }, 'database-unreachable', /cannot reach/],
    [
      'a server without TLS',
      { search: '?ssl-mode=REQUIRED' },
      'database-unreachable',
      /no encrypted connection/,
    ],
    ['a missing CA file', { search: '?ssl-ca=/absent.pem' }, 'database-url', /cannot read \/absent.pem/],
  ] as const)('reports %s', async (_, part, code, message) => {
    const error = await openDatabase(change(part)).catch((failure) => failure);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    for (let at = error; at instanceof Error; at = at.cause as Error)
      expect(`${at.message} ${at.stack} ${JSON.stringify(at)}`).not.toMatch(/WRONG-ONE|keyturn-test/);
  });
});
