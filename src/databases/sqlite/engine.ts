import type { Engine } from '../engine.ts';
import { sqliteFailures } from './failures.ts';
import { isSqlite, parseSqlite, sqliteShape } from './url.ts';

export const sqlite: Engine = {
  shape: sqliteShape,
  takes: isSqlite,
  failures: sqliteFailures,
  open: async (url, options) =>
    (await import('./database.ts')).openSqlite(parseSqlite(url), options.create ?? false),
};
