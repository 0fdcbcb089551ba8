import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Database } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { createMysqlDatabase } from '../../support/mariadb.ts';
import type { TestDatabase } from '../../support/postgres.ts';

const server = process.env.KEYTURN_TEST_MYSQL;
const onMysql = server === undefined ? describe.skip : describe;

onMysql('MySQL', () => {
  let world: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    world = await createMysqlDatabase(server);
    await world.exec('create table documents (id int primary key, doc json)');
    await world.exec(`insert into documents values (1, '{"a": 1}'), (2, null),
      (3, json_object('a', repeat(convert(char(1) using utf8mb4), 500000)))`);
    database = await openDatabase(world.url);
  });
  afterAll(async () => {
    await database?.close();
    await world?.close();
  });

  test('a JSON text that is longer than the server converts is told, not taken for an empty value', async () => {
    await database.catalog();
    const shape = { table: 'documents', id: ['id'], columns: ['doc'], written: 1 };
    const whole = await database.readRange(shape, { after: null, upTo: ['2'] });
    expect(whole.map(({ values }) => values[0])).toEqual(['{"a": 1}', null]);
    const reading = database.readRange(shape, { after: ['2'], upTo: null });
    const [packet] = await world.exec('select @@max_allowed_packet as n');
    // Each character is six in JSON
    if (Number(packet?.n) > 3_000_100) expect((await reading)[0]?.values[0]).toHaveLength(3_000_009);
    else await expect(reading).rejects.toMatchObject({ code: 'row-too-large', exitCode: 3 });
  });
});
