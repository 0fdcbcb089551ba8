import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Database, RowShape, Transaction } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { describeDatabase, eventually, incompleteIndexes } from '../../contract/database.ts';
import { createDatabase, type TestDatabase } from '../../support/postgres.ts';

async function postgresFixture(): Promise<TestDatabase> {
  const world = await createDatabase();
  // Nondeterministic: texts that are equal under the column's collation can have different bytes
  await world.exec(
    `create collation ignorecase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
  );
  await world.exec(`create type mood as enum ('sad', 'ok', 'happy')`);
  await world.exec(`create domain code as varchar(9) check (value <> 'no')`);
  return world;
}

describeDatabase('postgres', postgresFixture, {
  caseInsensitive: 'varchar(40) collate ignorecase',
  binary: 'bytea',
  bytes: (value) => `'\\x${value.toString('hex')}'`,
  trigger: (name, event, table) => [
    `create or replace function nothing() returns trigger language plpgsql as 'begin return null; end'`,
    `create trigger ${name} after ${event} on ${table} for each row execute function nothing()`,
  ],
  uselessIndexes: incompleteIndexes,
  impatient: "set lock_timeout = '200ms'",
  program: 'the application',
  idCases: [
    {
      name: 'uuid',
      columns: { a: 'uuid' },
      rows: [
        "'00000000-0000-0000-0000-0000000000ff'",
        "'ff000000-0000-0000-0000-000000000000'",
        "'0f000000-0000-0000-0000-000000000000'",
        "'10000000-0000-4000-8000-00000000000a'",
      ],
    },
    {
      name: 'ICU text',
      columns: { a: 'text collate "de-x-icu"' },
      rows: ["'b'", "'B'", "'a'", "'ä'", "'A'", "'z'", "'_'", "'-a'", "'a b'"],
    },
    {
      name: 'nondeterministic text',
      columns: { a: 'text collate ignorecase', b: 'int' },
      rows: ["'b', 2", "'B', 1", "'a', 1", "'A', 2", "'b', 3", "'c', 0"],
    },
    {
      name: 'decimals',
      columns: { a: 'numeric' },
      rows: ['10.50', '9.25', '-0.1', '1e40', '0.30000000000000000001', '0.3', "'NaN'"],
    },
    {
      name: 'reals',
      columns: { a: 'double precision', b: 'real' },
      rows: ['0.1, 0.1', "'-Infinity', 1", '0.30000000000000004, 3', '0.3, 16777217', "'NaN', 0"],
    },
    {
      name: 'timestamps with microseconds',
      columns: { a: 'timestamptz(6)', b: 'timestamp' },
      rows: product6(),
    },
    {
      name: 'dates, times and intervals',
      columns: { a: 'date', b: 'time', c: 'interval' },
      rows: [
        "'0044-03-15 BC', '01:02:03.000001', '1 day -2 hours'",
        "'2024-02-29', '24:00', '1 mon'",
        "'2024-02-29', '00:00', '30 days 1 us'",
        "'infinity', '00:00', '-1 year'",
      ],
    },
    { name: 'bytea', columns: { a: 'bytea' }, rows: ["'\\x00'", "'\\xff00'", "'\\xff'", "''", "'\\x5c'"] },
    {
      name: 'char, which is padded',
      columns: { a: 'char(3)', b: '"char"' },
      rows: ["'a', 'x'", "'a  ', 'y'", "'ab', 'x'", "'abc', 'x'", "'', 'z'"],
    },
    {
      name: 'enum, domain, boolean',
      columns: { a: 'mood', b: 'code', c: 'boolean' },
      rows: [
        "'happy', 'a', true",
        "'sad', 'b', false",
        "'ok', 'a', true",
        "'sad', 'b', true",
        "'sad', 'a b', true",
      ],
    },
    {
      name: 'inet, bits and arrays',
      columns: { a: 'inet', b: 'bit(3)', c: 'text[]' },
      rows: [
        "'10.0.0.1', B'101', '{a,NULL,\"b,\"}'",
        "'9.0.0.0/8', B'001', '{}'",
        "'::1', B'111', '{\"\"}'",
        "'::1', B'110', '{\"\"}'",
      ],
    },
  ],
});

function product6(): string[] {
  return [
    "'2024-01-01 00:00:00.000001+00'",
    "'2024-01-01 00:00:00.000002+02'",
    "'2024-01-01 00:00:00.000002+00'",
    "'infinity'",
  ].flatMap((a) => ["'2024-01-01 00:00:00.999999'", "'1900-01-01'"].map((b) => `${a}, ${b}`));
}

describe('PostgreSQL, beyond the contract', () => {
  let world: TestDatabase;
  let database: Database;

  beforeAll(async () => {
    world = await postgresFixture();
    database = await openDatabase(world.url);
  });
  afterAll(async () => {
    await database?.close();
    await world?.close();
  });

  const table = async (name: string) => (await database.catalog()).find((each) => each.name === name);

  test('a table that is published causes a warning', async () => {
    await world.exec('create table published (id int primary key, v text)');
    await world.exec('create publication everyone for table published');
    await database.catalog();
    expect(await database.server.warnings(['published'])).toEqual([
      'published is published by everyone: subscribers receive every rewritten row, and may keep the old ciphertext',
    ]);
    await world.exec('drop publication everyone');
  });

  test('widening keeps the collation of a column, and refuses a type that cannot be widened', async () => {
    await world.exec(
      'create table widened (id int primary key, v varchar(5) collate "de-x-icu" not null, d code)',
    );
    await database.widen('widened', 'v', 50);
    const [found] = await world.exec(
      `select character_maximum_length as n, collation_name as c, is_nullable as u from information_schema.columns where table_name = 'widened' and column_name = 'v'`,
    );
    expect(found).toEqual({ n: 50, c: 'de-x-icu', u: 'NO' });
    await expect(database.widen('widened', 'd', 50)).rejects.toMatchObject({ code: 'column-too-narrow' });
  });

  test('the catalog has types and widths, partitioned tables once, and inheriting tables by themselves', async () => {
    await world.exec(
      `create table types (id int primary key, v varchar(20), c char(3), d code, t text, j json, b jsonb, n numeric(4), x varchar, gone text, y bytea)`,
    );
    await world.exec('alter table types drop column gone');
    expect(
      (await table('types'))?.columns.map((column) => [
        column.name,
        column.type,
        column.holds,
        column.maxLength,
      ]),
    ).toEqual([
      ['id', 'integer', 'other', null],
      ['v', 'character varying', 'text', 20],
      ['c', 'character', 'text', 3],
      ['d', 'character varying', 'text', 9],
      ['t', 'text', 'text', null],
      ['j', 'json', 'text', null],
      ['b', 'jsonb', 'text', null],
      ['n', 'numeric', 'other', null],
      ['x', 'character varying', 'text', null],
      ['y', 'bytea', 'binary', null],
    ]);
    await world.exec('create table parted (id int primary key, v text) partition by range (id)');
    await world.exec('create table parted_1 partition of parted for values from (0) to (10)');
    await world.exec('create table parted_2 partition of parted for values from (10) to (20)');
    await world.exec("insert into parted values (5, 'x'), (15, 'y')");
    await world.exec('create table base (id int primary key, v text)');
    await world.exec('create table derived (primary key (id)) inherits (base)');
    await world.exec("insert into base values (1, 'x')");
    await world.exec("insert into derived values (1, 'y'), (2, 'y')");
    const names = (await database.catalog()).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('parted'))).toEqual(['parted']);
    expect([
      await database.count('parted'),
      await database.count('base'),
      await database.count('derived'),
    ]).toEqual([2, 1, 2]);
    const shape: RowShape = { table: 'parted', id: ['id'], columns: ['v'], written: 1 };
    const rows = await database.readRange(shape, { after: null, upTo: null });
    expect(
      await database.transaction((trx) =>
        database.write(
          trx,
          shape,
          rows.map((row) => ({ id: row.id, old: row.values, new: ['n'] })),
        ),
      ),
    ).toEqual([]);
    const base: RowShape = { ...shape, table: 'base' };
    expect(
      await database.transaction((trx) => database.write(trx, base, [{ id: ['1'], old: ['x'], new: ['n'] }])),
    ).toEqual([]);
    expect((await world.exec('select v from derived')).map((row) => row.v)).toEqual(['y', 'y']);
  });

  test('the catalog has all columns of an index, also included ones and those of expressions', async () => {
    await world.exec(
      'create table many (id int, a text not null, b text not null, c text, d text, e text, unique (a, b) include (c))',
    );
    await world.exec("create index on many (lower(d)) where e <> ''");
    expect((await table('many'))?.rowId).toEqual(['a', 'b']);
    expect((await table('many'))?.indexed.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('json and jsonb are compared as text', async () => {
    await world.exec(
      `create table docs (id int primary key, j json, b jsonb); insert into docs values (1, '{"b":1,  "a":1.0}', '{"b":1,  "a":1.0}')`,
    );
    await database.catalog();
    const shape: RowShape = { table: 'docs', id: ['id'], columns: ['j', 'b'], written: 2 };
    const [row] = await database.readRows(shape, [['1']]);
    expect(row!.values).toEqual(['{"b":1,  "a":1.0}', '{"a": 1.0, "b": 1}']);
    const change = { id: ['1'], old: row!.values, new: ['{"x": 1}', '{"y": 2}'] };
    expect(
      await database.transaction((trx) =>
        database.write(trx, shape, [{ ...change, old: ['{"b":1, "a":1.0}', row!.values[1]!] }]),
      ),
    ).toEqual([0]);
    expect(
      await database.transaction((trx) =>
        database.write(trx, shape, [{ ...change, old: [row!.values[0]!, '{"a": 1, "b": 1}'] }]),
      ),
    ).toEqual([0]);
    expect(await database.transaction((trx) => database.write(trx, shape, [change]))).toEqual([]);
    expect(await world.exec('select j::text, b::text from docs')).toEqual([{ j: '{"x": 1}', b: '{"y": 2}' }]);
  });

  test('row ids that are unique only under the collation of their index are paged under it', async () => {
    await world.exec('create table twice (u text collate ignorecase not null, v text)');
    await world.exec('create unique index on twice (u collate "C")');
    await world.exec("insert into twice values ('a', '1'), ('A', '2'), ('B', '3'), ('b', '4')");
    await database.catalog();
    const shape: RowShape = { table: 'twice', id: ['u'], columns: ['v'], written: 1 };
    const first = await database.boundAfter(shape, null, { rows: 1, bytes: 100 });
    const rest = await database.readRange(shape, { after: first, upTo: null });
    expect([first?.[0], ...rest.map((row) => row.id[0])]).toEqual(['A', 'B', 'a', 'b']);
    expect((await database.readRows(shape, [['a']])).map((row) => row.values[0])).toEqual(['1']);
  });

  test('row ids of a type whose operators are outside the search path keep their own order', async () => {
    // A type in reverse order stands for any type of an extension: with the operators of text, rows would be missed
    await world.exec(`create schema ext; create type ext.backwards as (n int)`);
    await world.exec(
      `create function ext.cmp(a ext.backwards, b ext.backwards) returns int language sql immutable as 'select pg_catalog.btint4cmp((b).n, (a).n)'`,
    );
    for (const [name, operator] of [
      ['lt', '<'],
      ['le', '<='],
      ['eq', '='],
      ['ge', '>='],
      ['gt', '>'],
    ] as const) {
      await world.exec(
        `create function ext.${name}(a ext.backwards, b ext.backwards) returns boolean language sql immutable as 'select ext.cmp(a, b) ${operator} 0'`,
      );
      await world.exec(
        `create operator ext.${operator} (leftarg = ext.backwards, rightarg = ext.backwards, function = ext.${name}${operator === '=' ? ', merges' : ''})`,
      );
    }
    await world.exec(`create operator class ext.backwards_ops default for type ext.backwards using btree as
      operator 1 ext.<, operator 2 ext.<=, operator 3 ext.=, operator 4 ext.>=, operator 5 ext.>, function 1 ext.cmp(ext.backwards, ext.backwards)`);
    await world.exec(`create table odd (id ext.backwards primary key, v text)`);
    await world.exec(`insert into odd select row(n)::ext.backwards, n::text from generate_series(1, 12) n`);
    await database.catalog();
    const shape: RowShape = { table: 'odd', id: ['id'], columns: ['v'], written: 1 };
    const first = await database.boundAfter(shape, null, { rows: 5, bytes: 1000 });
    const rows = [
      ...(await database.readRange(shape, { after: null, upTo: first })),
      ...(await database.readRange(shape, { after: first, upTo: null })),
    ];
    expect(rows.map((row) => Number(row.values[0]))).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expect(await database.readRows(shape, [['(7)']])).toHaveLength(1);
  });

  test('another schema has its own tables and its own run lock', async () => {
    await world.exec(
      `create schema "o'ther?"; create table "o'ther?".t (id int primary key); create table public.t (id int primary key); insert into public.t values (1)`,
    );
    const other = await openDatabase(`${world.url}?schema=${encodeURIComponent("o'ther?")}`);
    expect((await other.catalog()).map(({ name }) => name)).toEqual(['t']);
    expect(await other.count('t')).toBe(0);
    const locks = [await database.lockRun(), await other.lockRun()];
    for (const lock of locks) await lock.release();
    expect(other.place).toMatch(/schema=o'ther%3F$/);
    expect(other.place).not.toContain('keyturn-test');
    await other.close();
  });

  test('a lost run lock is reported', async () => {
    const lock = await database.lockRun();
    const [row] = await world.exec(
      `select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'keyturn run lock' and datname = current_database()`,
    );
    expect(row!.count).toBe('1');
    await expect(lock.lost).rejects.toMatchObject({
      code: 'run-lock',
      message: expect.stringContaining('was lost'),
    });
    await lock.release();
    await (await eventually(() => database.lockRun())).release();
  });

  test('a released run lock is not lost', async () => {
    const lock = await database.lockRun();
    await lock.release();
    const winner = await Promise.race([
      lock.lost.catch(() => 'lost'),
      new Promise((resolve) => setImmediate(resolve, 'released')),
    ]);
    expect(winner).toBe('released');
  });

  test('a deadlock is transient', async () => {
    await world.exec(
      "create table dead (id int primary key, v text); insert into dead values (1, 'x'), (2, 'x')",
    );
    await database.catalog();
    const shape: RowShape = { table: 'dead', id: ['id'], columns: ['v'], written: 1 };
    const take = (trx: Transaction, id: string) =>
      database.write(trx, shape, [{ id: [id], old: ['x'], new: ['x'] }]);
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
    expect(failed[0]!.reason).toMatchObject({ code: '40P01' });
    expect(database.failures.isTransient(failed[0]!.reason)).toBe(true);
  });

  test('a lost connection is transient, and the next transaction gets a new one', async () => {
    const failure = await database
      .transaction(async (trx) => {
        const [{ pid }] = (await trx.raw('select pg_backend_pid() as pid')).rows;
        await world.exec('select pg_terminate_backend($1)', [pid]);
        await trx.raw('select 1');
      })
      .catch((error) => error);
    expect({ transient: database.failures.isTransient(failure), message: failure.message }).toMatchObject({
      transient: true,
    });
    await expect(database.count('dead')).resolves.toBe(2);
  });

  test('a transaction in which the error of a statement was ignored is not committed', async () => {
    const failing = database.transaction(async (trx) => {
      await trx.raw('select 1/0').catch(() => undefined);
      return 'done';
    });
    await expect(failing).rejects.toMatchObject({ code: '25P02' });
  });

  test('settings and time zone of the role do not change texts', async () => {
    await world.exec(
      `alter database ${new URL(world.url).pathname.slice(1)} set datestyle = 'German, DMY'; alter database ${new URL(world.url).pathname.slice(1)} set timezone = 'Asia/Tokyo'`,
    );
    const fresh = await openDatabase(world.url);
    await world.exec(
      "create table dated (id timestamptz primary key); insert into dated values ('2024-02-01 10:00:00.5+00')",
    );
    expect(
      await fresh.boundAfter({ table: 'dated', id: ['id'], columns: [], written: 0 }, null, {
        rows: 1,
        bytes: 1,
      }),
    ).toEqual(['2024-02-01 10:00:00.5+00']);
    await fresh.close();
  });

  test('reading and writing use the index, whether the table was analyzed or not', async () => {
    await world.exec(
      `create table large (a int, b int, c text, v text, primary key (a, b, c)); insert into large select n / 100, n % 100, 'x' || n, 'v' from generate_series(1, 50000) n`,
    );
    for (const prepare of ['select 1', 'analyze large']) {
      await world.exec(prepare);
      await database.catalog();
      const shape: RowShape = { table: 'large', id: ['a', 'b', 'c'], columns: ['v'], written: 1 };
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
      expect((await touched()) - before).toBeLessThan(1_000);
    }
    /** Rows fetched by any scan, once the server has counted those of this connection (the only idle one of the pool). */
    async function touched(): Promise<number> {
      await database.knex.raw('select pg_stat_force_next_flush()');
      await database.knex.raw('select 1');
      const [row] = await world.exec(
        "select (seq_tup_read + idx_tup_fetch)::int as n from pg_stat_user_tables where relname = 'large'",
      );
      return row!.n as number;
    }
  });

  describe('a restricted login', () => {
    const role = `restricted_${process.pid}`;
    let restricted: Database;

    beforeAll(async () => {
      await world.exec(`create role ${role} login password 'p%w'`);
      await world.exec(
        'create table granted (id int primary key, v text); create table readable (id int primary key); create table partly (id int primary key, v text); create table hidden (id int primary key, v text)',
      );
      await world.exec(
        `grant select, update on granted to ${role}; grant select on readable to ${role}; grant select (id), update (v) on partly to ${role}`,
      );
      await world.exec(
        `create table guarded (id int primary key, v text); insert into guarded values (1, 'a'), (2, 'b'); alter table guarded enable row level security; create policy one on guarded using (id = 1); grant select, update on guarded to ${role}`,
      );
      const url = new URL(world.url);
      url.username = role;
      url.password = '';
      restricted = await openDatabase(url.href, { password: 'p%w' });
    });
    afterAll(async () => {
      await restricted?.close();
      await world.exec(`drop owned by ${role}; drop role ${role}`);
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
        ['hidden', 'no'],
        ['absent', 'unknown'],
      ]);
      expect(await database.server.privileges(['granted'])).toEqual({
        createTable: 'yes',
        update: new Map([['granted', 'yes']]),
      });
    });

    test('reads the whole catalog', async () => {
      const granted = (await restricted.catalog()).find(({ name }) => name === 'hidden');
      expect(granted).toEqual(await table('hidden'));
    });

    test('is refused a table with rows that a policy hides', async () => {
      await expect(restricted.count('guarded')).rejects.toThrow(/row-level security/);
    });
  });
});

describe('opening PostgreSQL', () => {
  let world: TestDatabase;

  beforeAll(async () => {
    world = await createDatabase();
  });
  afterAll(async () => world.close());

  const changed = (change: (url: URL) => void): string => {
    const url = new URL(world.url);
    change(url);
    return url.href;
  };

  test.each([
    [
      'an unknown database',
      (url: URL) => {
        url.pathname = '/absent';
      },
      'database-missing',
      /no database absent/,
    ],
    [
      'an unknown schema',
      (url: URL) => {
        url.searchParams.set('schema', 'absent');
      },
      'database-missing',
      /no schema absent/,
    ],
    [
      'a wrong password',
      (url: URL) => {
        url.password = 'WRONG-ONE';
      },
      'database-unreachable',
      /did not accept the login/,
    ],
    [
      'no password',
      (url: URL) => {
        url.password = '';
      },
      'database-unreachable',
      /did not accept the login/,
    ],
    [
      'a closed port',
      (url: URL) => {
        url.port = '1';
      },
      'database-unreachable',
      /cannot reach/,
    ],
    [
      'a server without TLS',
      (url: URL) => {
        url.searchParams.set('sslmode', 'require');
      },
      'database-unreachable',
      /no encrypted connection/,
    ],
  ] as const)('reports %s', async (_, change, code, message) => {
    const error = await openDatabase(changed(change)).catch((failure) => failure);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.any(String) });
    for (let at = error; at instanceof Error; at = at.cause as Error) {
      expect(`${at.message} ${at.stack} ${JSON.stringify(at)}`).not.toMatch(/WRONG-ONE|keyturn-test/);
    }
  });

  test('sslmode=prefer also connects to a server without TLS', async () => {
    const database = await openDatabase(changed((url) => url.searchParams.set('sslmode', 'prefer')));
    expect(await database.catalog()).toEqual([]);
    await database.close();
  });
});
