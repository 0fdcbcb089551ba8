import type { Database } from './database.ts';
import { parseDatabaseUrl } from './database-url.ts';
import type { Login } from './login.ts';
import { openMysql } from './mysql.ts';
import { openPostgres } from './postgres.ts';
import { openSqlite } from './sqlite.ts';

export interface OpenOptions extends Login {
  /** SQLite: make the file if it is missing; only for keyturn's own local files. */
  readonly create?: boolean;
}

/** Opens and tries the database, so that what is wrong with the URL, the login or the file is said here. */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Database> {
  const parsed = parseDatabaseUrl(url);
  if (parsed.engine === 'sqlite') return openSqlite(parsed, options.create ?? false);
  return parsed.engine === 'mysql' ? openMysql(parsed, options) : openPostgres(parsed, options);
}
