import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Database } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { createDatabase, type TestDatabase } from '../../support/postgres.ts';

let world: TestDatabase;
let database: Database;
beforeEach(async () => {
  world = await createDatabase();
  for (const sql of [
    'create type pair as (a text, b int)',
    'create table codes (id int primary key, several text[], pairs pair, numbers int[], mood text)',
    `insert into codes values (1, array['gAAAAone', 'two "words"'], row('gAAAAtwo', 3), array[1, 2], 'calm')`,
    'create materialized view copied as select several from codes',
    'create schema tenant',
    'create table tenant.codes (id int primary key, several text[])',
  ])
    await world.exec(sql);
  database = await openDatabase(world.url);
});
afterEach(async () => {
  await database.close();
  await world.close();
});

test('columns of arrays and composite types are searched as text, and arrays of numbers are not', async () => {
  const table = (await database.catalog()).find(({ name }) => name === 'codes');
  expect(table?.columns.map(({ name, holds }) => [name, holds])).toEqual([
    ['id', 'other'],
    ['several', 'text'],
    ['pairs', 'text'],
    ['numbers', 'other'],
    ['mood', 'text'],
  ]);
  const shape = { table: 'codes', id: ['id'], columns: ['several', 'pairs'], written: 2 };
  const [found] = await database.search(shape, ['gAAAA'], null, 10);
  expect(found?.values).toEqual(['{gAAAAone,"two \\"words\\""}', '(gAAAAtwo,3)']);
});

test('an array is written by compare-and-set, as the text of the whole', async () => {
  await database.catalog();
  const shape = { table: 'codes', id: ['id'], columns: ['several'], written: 1 };
  const change = { id: ['1'], old: ['{gAAAAone,"two \\"words\\""}'], new: ['{gAAAAnew,"two \\"words\\""}'] };
  expect(await database.transaction((trx) => database.write(trx, shape, [change]))).toEqual([]);
  const [row] = await database.readRange(shape, { after: null, upTo: null });
  expect(row?.values).toEqual(change.new);
});

test('schemas with the same tables, and materialized views over them, are warned of', async () => {
  const warnings = (await database.server.warnings(['codes'])).join('\n');
  expect(warnings).toContain('the schema tenant contains codes, too');
  expect(warnings).toContain('REFRESH MATERIALIZED VIEW copied');
});
