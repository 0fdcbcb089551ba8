import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database, RowShape } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import type { ResultRow } from '../../support/tds-messages.ts';
import { ordinary, TdsServer } from '../../support/tds-server.ts';

/*
 * What the catalog says decides what keyturn reads and writes. Whether SQL Server fills its catalog as documented, only a
 * SQL Server can show: test/databases/mssql/database.test.ts with KEYTURN_TEST_MSSQL.
 */

/** What differs from a plain table `t` of two columns. */
interface Described {
  readonly table?: ResultRow;
  readonly value?: ResultRow;
  readonly trigger?: ResultRow;
}

let server: TdsServer;
let database: Database;
beforeEach(async () => {
  server = await TdsServer.start();
  database = await openDatabase(server.url());
});
afterEach(async () => {
  await database.close();
  await server.close();
});

function describeTable(
  { table, value, trigger }: Described,
  more: (sql: string) => readonly ResultRow[] = () => [],
) {
  server.onStatement = (sql) => {
    const column = { table: 't', size: 100, precision: 0, scale: 0, collation: null };
    const no = { nullable: false, generated: false, encrypted: false, masked: false };
    if (sql.includes('c.max_length'))
      return [
        { ...column, ...no, name: 'id', type: 'bigint' },
        { ...column, ...no, name: 'v', type: 'nvarchar', ...value },
      ];
    if (sql.includes('sys.index_columns'))
      return [{ table: 't', index: 1, column: 'id', place: 1, usable: true, unique: true }];
    if (sql.includes('sys.trigger_events')) return trigger === undefined ? [] : [{ table: 't', ...trigger }];
    if (sql.includes('is_memory_optimized'))
      return [{ table: 't', memoryOptimized: false, rowLocks: true, policy: null, ...table }];
    return ordinary(sql) ?? more(sql);
  };
}

const shape: RowShape = { table: 't', id: ['id'], columns: ['v'], written: 1 };
const idOnly: RowShape = { ...shape, columns: [], written: 0 };

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Every way to read a table. */
const reads: Readonly<Record<string, () => Promise<unknown>>> = {
  count: () => database.count('t'),
  longest: () => database.longest('t', 'v'),
  boundAfter: () => database.boundAfter(shape, null, { rows: 1, bytes: 1 }),
  readRange: () => database.readRange(shape, { after: null, upTo: null }),
  readAll: () => database.readAll(shape, () => undefined),
  readRows: () => database.readRows(shape, [['1']]),
  search: () => database.search(shape, ['x'], null, 1),
};

describe('a table with a security policy', () => {
  test.each(Object.keys(reads))('is not read by %s: a policy may hide rows', async (way) => {
    describeTable({ table: { policy: 'tenants' } });
    const error = await thrownBy(reads[way]?.() ?? Promise.resolve());
    expect(String(error)).toContain('the security policy tenants may hide rows of t from this login');
    expect([database.failures.isDenied(error), database.failures.isTransient(error)]).toEqual([true, false]);
  });
});

describe('a column that this login reads masked', () => {
  test.each(Object.keys(reads).filter((way) => way !== 'count'))('is not read by %s', async (way) => {
    describeTable({ value: { masked: true } });
    const error = await thrownBy(reads[way]?.() ?? Promise.resolve());
    expect(String(error)).toContain('this login reads t.v masked, without UNMASK');
    expect(database.failures.isDenied(error)).toBe(true);
  });

  test('does not keep the other columns from being read', async () => {
    describeTable({ value: { masked: true } });
    expect(await database.readRange(idOnly, { after: null, upTo: null })).toEqual([]);
  });
});

test('without VIEW DEFINITION it is unknown whether there are policies, and other tables', async () => {
  const rights = [
    [1, 0],
    [0, 1],
    [0, 0],
  ].map(([policies = 0, tables = 0]) => ({ policies, tables }));
  const said: string[][] = [];
  for (const each of rights) {
    describeTable({}, (sql) => (sql.includes('VIEW DEFINITION') ? [each] : []));
    said.push([...(await database.server.unseen())]);
  }
  const without = 'cannot tell without VIEW DEFINITION on the database whether';
  const policies = `${without} security policies hide rows from this login`;
  const tables = `${without} there are tables that this login does not see`;
  expect(said).toEqual([[], [policies], [policies, tables]]);
});

test.each([
  ['is memory-optimized', { table: { memoryOptimized: true } }, /t is memory-optimized/],
  [
    'has an INSTEAD OF trigger',
    { trigger: { name: 'redirect', instead: true } },
    /t has the trigger redirect, which runs INSTEAD OF an update/,
  ],
])('a table that %s is refused before anything is written', async (_, described, words) => {
  describeTable(described);
  expect(await thrownBy(database.server.privileges(['t']))).toMatchObject({
    code: 'table-unsupported',
    message: expect.stringMatching(words),
  });
});

test('an ordinary table with a trigger after an update is not refused', async () => {
  describeTable({ trigger: { name: 'audit', instead: false } });
  expect((await database.server.privileges(['t'])).update.get('t')).toBe('unknown');
  expect(await database.catalog()).toMatchObject([{ name: 't', triggers: ['audit'] }]);
});

test.each([true, false])('row locks are asked for only if every index allows them (%p)', async (rowLocks) => {
  describeTable({ table: { rowLocks } }, (sql) => (sql.includes('@written') ? [{ n: 0, written: 1 }] : []));
  await database.transaction(async (trx) => {
    await database.readRows(shape, [['1']], trx);
    await database.write(trx, shape, [{ id: ['1'], old: ['a'], new: ['b'] }]);
  });
  const locking = server.statements.filter((sql) => /updlock/.test(sql));
  expect(locking).toHaveLength(2);
  for (const sql of locking) expect(/rowlock/.test(sql)).toBe(rowLocks);
  const warnings = await database.server.warnings(['t']);
  expect(warnings.some((warning) => warning.includes('ALLOW_ROW_LOCKS = OFF'))).toBe(!rowLocks);
});

test('an update that wrote fewer rows than it locked is an error, and rolled back', async () => {
  describeTable({}, (sql) => (sql.includes('@written') ? [{ n: 0, written: 0 }] : []));
  const writing = database.transaction((trx) =>
    database.write(trx, shape, [{ id: ['1'], old: ['a'], new: ['b'] }]),
  );
  expect(await thrownBy(writing)).toMatchObject({
    code: 'table-unsupported',
    message: expect.stringContaining('the server changed 0 of 1 rows'),
  });
});

test('a read-only database is told by an explicit conversion', async () => {
  describeTable({}, (sql) => (sql.includes('Updateability') ? [{ readOnly: 1 }] : []));
  expect(await database.server.readOnly()).toMatch(/is read-only/);
  const asked = server.statements.filter((sql) => sql.includes('Updateability'));
  expect(asked[0]).toContain(
    `convert(nvarchar(20), databasepropertyex(db_name(), 'Updateability')) = N'READ_ONLY'`,
  );
});
