import type { Engine } from '../engine.ts';
import { mssqlFailures } from './failures.ts';
import { isMssql, mssqlShape, parseMssql } from './url.ts';

export const mssql: Engine = {
  shape: mssqlShape,
  takes: isMssql,
  failures: mssqlFailures,
  open: async (url, options) => (await import('./database.ts')).openMssql(parseMssql(url), options),
};
