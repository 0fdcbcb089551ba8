import type { Database } from './database.ts';
import { parseDatabaseUrl } from './database-url.ts';
import type { Login } from './login.ts';

export interface OpenOptions extends Login {
  /** SQLite: make the file if it is missing; only for keyturn's own local files. */
  readonly create?: boolean;
}

/** Opens and tries the database, so that what is wrong with the URL, the login or the file is said here. */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Database> {
  const parsed = parseDatabaseUrl(url);
  // Each engine's driver is loaded where it is used: some take longer than all the rest
  switch (parsed.engine) {
    case 'sqlite':
      return (await import('./sqlite/database.ts')).openSqlite(parsed, options.create ?? false);
    case 'postgres':
      return (await import('./postgres/database.ts')).openPostgres(parsed, options);
    case 'mysql':
      return (await import('./mysql/database.ts')).openMysql(parsed, options);
    case 'mssql':
      return (await import('./mssql/database.ts')).openMssql(parsed, options);
  }
}
