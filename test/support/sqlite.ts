import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { TestDatabase } from './postgres.ts';

/** Creates an empty SQLite database in a temporary folder. */
export async function createSqlite(): Promise<TestDatabase> {
  const dir = mkdtempSync(join(tmpdir(), 'keyturn-sqlite-'));
  const path = join(dir, 'app.sqlite');
  const connection = new Sqlite(path);
  connection.pragma('journal_mode = wal');
  // No fsync: the tests kill processes, never the machine
  connection.pragma('synchronous = off');
  return {
    url: `sqlite:${path}`,
    async exec(sql, values = []) {
      const statement = connection.prepare<unknown[], Record<string, unknown>>(sql);
      if (statement.reader) return statement.all(...values);
      statement.run(...values);
      return [];
    },
    async close() {
      connection.close();
      rmSync(dir, { recursive: true });
    },
  };
}
