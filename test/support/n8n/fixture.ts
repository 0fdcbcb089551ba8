import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import pg from 'pg';
import { type Place, withStore } from './store.ts';

/** Databases made by the real n8n 2.41.1, with what is in them according to n8n itself. */

export type FixtureName = 'legacy-sqlite' | 'mixed-sqlite' | 'legacy-postgres';

export function fixtureFile(name: FixtureName, file: string): Buffer {
  return readFileSync(new URL(`../../fixtures/n8n/${name}/${file}`, import.meta.url));
}

export interface SqlitePlace extends Place {
  readonly path: string;
}

/** Unpacks the fixture to `<dir>/database.sqlite`. */
export function sqliteFixture(name: 'legacy-sqlite' | 'mixed-sqlite', dir: string): SqlitePlace {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'database.sqlite');
  writeFileSync(path, gunzipSync(fixtureFile(name, 'database.sqlite.gz')));
  return { url: `sqlite:${path}`, path };
}

/** Loads `legacy-postgres` into a database, or into one schema of it; the schema must not hold tables yet. */
export async function postgresFixture(url: string, options: { schema?: string } = {}): Promise<Place> {
  const { schema = 'public' } = options;
  const dump = gunzipSync(fixtureFile('legacy-postgres', 'database.sql.gz'))
    .toString('utf8')
    // Nothing in the dump uses it, and not every server has it.
    .replace('CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;', '');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    // The dump names `public`: whatever that is now stands aside while it loads.
    if (schema !== 'public') {
      await client.query('alter schema public rename to keep_public');
      await client.query('create schema public');
    }
    await client.query(dump);
    if (schema !== 'public') {
      await client.query(`alter schema public rename to ${client.escapeIdentifier(schema)}`);
      await client.query('alter schema keep_public rename to public');
    }
    await client.query('commit');
  } finally {
    await client.end();
  }
  return { url, schema };
}

/** The same database with DB_TABLE_PREFIX set: renames every table, and returns where it is now. */
export async function renameTables(place: Place, prefix: string): Promise<Place> {
  return await withStore(place, async (store) => {
    for (const name of await store.tables()) {
      const bare = name.slice((place.prefix ?? '').length);
      await store.run(`alter table ${store.table(bare)} rename to "${prefix}${bare}"`);
    }
    return { ...place, prefix };
  });
}
