import type { Database } from './database.ts';
import { parseDatabaseUrl } from './database-url.ts';
import { openPostgres } from './postgres.ts';
import { openSqlite } from './sqlite.ts';

export interface OpenOptions {
  /** Used where the URL has none. */
  readonly password?: string;
  /** What the server's administrator sees in its list of sessions. */
  readonly applicationName?: string;
  /** SQLite: make the file if it is missing; only for keyturn's own local files. */
  readonly create?: boolean;
}

/** Opens and tries the database, so that what is wrong with the URL, the login or the file is said here. */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Database> {
  const parsed = parseDatabaseUrl(url);
  return parsed.engine === 'sqlite'
    ? openSqlite(parsed, options.create ?? false)
    : openPostgres(parsed, options);
}
