import type { Engine } from '../engine.ts';
import { mysqlFailures } from './failures.ts';
import { isMysql, mysqlShape, parseMysql } from './url.ts';

export const mysql: Engine = {
  shape: mysqlShape,
  takes: isMysql,
  failures: mysqlFailures,
  open: async (url, options) => (await import('./database.ts')).openMysql(parseMysql(url), options),
};
