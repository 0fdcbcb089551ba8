import type { Engine } from '../engine.ts';
import { postgresFailures } from './failures.ts';
import { isPostgres, parsePostgres, postgresShape } from './url.ts';

export const postgres: Engine = {
  shape: postgresShape,
  takes: isPostgres,
  failures: postgresFailures,
  open: async (url, options) => (await import('./database.ts')).openPostgres(parsePostgres(url), options),
};
