import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import Sqlite from 'better-sqlite3';
import type { Table } from '../../src/databases/database.ts';

/** The catalog of a SQLite fixture, read with pragmas alone: no code of src/databases. */
export function fixtureCatalog(name: 'legacy-sqlite' | 'mixed-sqlite'): Table[] {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-catalog-'));
  const path = join(folder, 'database.sqlite');
  const packed = fileURLToPath(new URL(`../fixtures/n8n/${name}/database.sqlite.gz`, import.meta.url));
  writeFileSync(path, gunzipSync(readFileSync(packed)));
  const database = new Sqlite(path);
  try {
    const names = database
      .prepare(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name",
      )
      .pluck()
      .all() as string[];
    return names.map((table) => {
      const columns = database.pragma(`table_info("${table}")`) as ColumnInfo[];
      return {
        name: table,
        columns: columns.map(({ name, type, notnull }) => column(name, type, notnull === 0)),
        rowId: columns
          .filter(({ pk }) => pk > 0)
          .sort((a, b) => a.pk - b.pk)
          .map(({ name }) => name),
        indexed: [],
        unique: [],
        triggers: [],
      };
    });
  } finally {
    database.close();
    rmSync(folder, { recursive: true });
  }
}

interface ColumnInfo {
  readonly name: string;
  readonly type: string;
  readonly notnull: number;
  readonly pk: number;
}

function column(name: string, type: string, nullable: boolean): Table['columns'][number] {
  const holds = /char|text/i.test(type) ? 'text' : 'other';
  return { name, type, holds, maxLength: null, nullable, generated: false };
}

/** A table of a made-up catalog: text columns, keyed by `id`. */
export function table(name: string, columns: readonly string[], rowId: readonly string[] = ['id']): Table {
  return {
    name,
    columns: [...new Set([...rowId, ...columns])].map((each) =>
      each.endsWith(':int') ? column(each.slice(0, -4), 'int', true) : column(each, 'text', true),
    ),
    rowId,
    indexed: [],
    unique: [],
    triggers: [],
  };
}
