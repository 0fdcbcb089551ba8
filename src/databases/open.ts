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
  switch (parsed.engine) {
    case 'sqlite':
      return openSqlite(parsed, options.create ?? false);
    case 'postgres':
      return openPostgres(parsed, options);
    case 'mysql':
      return openMysql(parsed, options);
    case 'mssql':
      // Its driver takes longer to load than all the rest
      return (await import('./mssql.ts')).openMssql(parsed, options);
  }
}
