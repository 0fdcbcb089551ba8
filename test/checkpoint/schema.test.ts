import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  checkpointVersion,
  dropCheckpointTables,
  migrate,
  readCheckpointVersion,
} from '../../src/checkpoint/schema.ts';
import type { Database } from '../../src/databases/database.ts';
import { openDatabase } from '../../src/databases/open.ts';

let folder: string;
let database: Database;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-schema-'));
  database = await openDatabase(`sqlite:${join(folder, 'own.sqlite')}`, { create: true });
  await migrate(database);
  await database.knex('keyturn_event').insert({ run: 'a', seq: 1, at: '', event: '', detail: '{}' });
});
afterEach(async () => {
  await database.close();
  rmSync(folder, { recursive: true });
});

const own = ['plan', 'file', 'event', 'exception', 'chunk', 'run', 'version'].map(
  (name) => `keyturn_${name}`,
);

describe("keyturn's own tables", () => {
  test.each(own)('are refused, by name, without %s', async (table) => {
    await database.knex.schema.dropTable(table);
    // What there is to lose shows that the tables were in use
    await expect(readCheckpointVersion(database)).rejects.toMatchObject({
      code: 'checkpoint-altered',
      message: expect.stringContaining(table),
    });
  });

  test('are created anew, whichever of them a killed forget has dropped', async () => {
    const dropped: string[] = [];
    database.knex.on('query', ({ sql }: { sql: string }) => {
      const [, table] = /drop table if exists `(\w+)`/.exec(sql) ?? [];
      if (table !== undefined) dropped.push(table);
    });
    await dropCheckpointTables(database.knex);
    const order = [...dropped];
    expect([...order].sort()).toEqual([...own].sort());
    for (const [i] of order.entries()) {
      await migrate(database);
      // As a kill after the first i tables leaves it
      await database.knex('keyturn_version').update({ version: 0 });
      for (const table of order.slice(0, i + 1)) await database.knex.schema.dropTable(table);
      expect(await readCheckpointVersion(database)).toBe(0);
      await migrate(database);
      expect(await readCheckpointVersion(database)).toBe(checkpointVersion);
      await dropCheckpointTables(database.knex);
    }
  });
});
