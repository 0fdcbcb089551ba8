import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Database, RowShape } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { eventually } from '../../contract/database.ts';
import { createMssqlDatabase, mssqlServer } from '../../support/mssql.ts';
import type { TestDatabase } from '../../support/postgres.ts';

/** The same as access.test.ts, with the catalog that SQL Server itself has. */
if (mssqlServer === undefined)
  test.todo('SQL Server: set KEYTURN_TEST_MSSQL to see what its catalog says of hidden rows and masks');
else
  describe('a SQL Server', () => {
    let world: TestDatabase;
    let owner: Database;
    beforeAll(async () => {
      world = await createMssqlDatabase();
      owner = await openDatabase(world.url);
    });
    afterAll(async () => {
      await owner?.close();
      await world?.close();
    });

    const shapeOf = (table: string): RowShape => ({ table, id: ['id'], columns: ['v'], written: 1 });
    const all = { after: null, upTo: null };
    const change = { id: ['1'], old: ['a'], new: ['b'] };
    const thrown = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => undefined,
        (error: unknown) => error,
      );

    test('filters rows from the owner too, and keyturn does not read such a table', async () => {
      await world.exec('create table filtered (id int primary key, v nvarchar(max))');
      await world.exec(`insert into filtered values (1, 'a')`);
      await world.exec(`create function dbo.nobody(@id int) returns table with schemabinding as
        return select 1 as ok where 1 = 0`);
      await world.exec('create security policy no_rows add filter predicate dbo.nobody(id) on dbo.filtered');
      await owner.catalog();
      const error = await thrown(owner.readRange(shapeOf('filtered'), all));
      expect(String(error)).toContain('the security policy no_rows');
      expect(owner.failures.isDenied(error)).toBe(true);
      await world.exec('alter security policy no_rows with (state = off)');
      await owner.catalog();
      expect(await owner.count('filtered')).toBe(1);
    });

    test('masks values of a login without UNMASK, and keyturn does not read them', async () => {
      const name = `keyturn_masked_${process.pid}`;
      await world.exec(
        `create table masked (id int primary key, v nvarchar(max) masked with (function = 'default()'))`,
      );
      await world.exec(`create login ${name} with password = 'Guest-12345678'`);
      const url = new URL(world.url);
      url.username = name;
      url.password = 'Guest-12345678';
      try {
        await world.exec(`create user ${name} for login ${name}`);
        await world.exec(`grant select on masked to ${name}`);
        const guest = await openDatabase(url.href);
        await guest.catalog();
        await owner.catalog();
        expect(guest.failures.isDenied(await thrown(guest.readRange(shapeOf('masked'), all)))).toBe(true);
        expect(await owner.readRange(shapeOf('masked'), all)).toEqual([]);
        expect(await guest.server.unseen()).toHaveLength(2);
        expect(await owner.server.unseen()).toEqual([]);
        await world.exec(`grant unmask to ${name}`);
        await guest.catalog();
        expect(await guest.readRange(shapeOf('masked'), all)).toEqual([]);
        await guest.close();
      } finally {
        await world.exec(`drop user if exists ${name}`);
        await eventually(() => world.exec(`drop login ${name}`));
      }
    });

    test('whose index allows no row locks is written', async () => {
      await world.exec(
        'create table coarse (id int primary key with (allow_row_locks = off), v nvarchar(max))',
      );
      await world.exec(`insert into coarse values (1, 'a')`);
      await owner.catalog();
      const shape = shapeOf('coarse');
      expect(await owner.transaction((trx) => owner.write(trx, shape, [change]))).toEqual([]);
    });

    test('with an INSTEAD OF trigger is refused', async () => {
      await world.exec('create table replaced (id int primary key, v nvarchar(max))');
      await world.exec('create trigger redirect on replaced instead of update as begin set nocount on; end');
      await owner.catalog();
      expect(await thrown(owner.server.privileges(['replaced']))).toMatchObject({
        code: 'table-unsupported',
      });
    });
  });
