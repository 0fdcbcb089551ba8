import type { Database } from './database.ts';
import type { Engine, OpenOptions } from './engine.ts';
import { mssql } from './mssql/engine.ts';
import { mysql } from './mysql/engine.ts';
import { postgres } from './postgres/engine.ts';
import { sqlite } from './sqlite/engine.ts';
import { invalidUrl } from './url.ts';

export type { OpenOptions } from './engine.ts';

const engines: readonly Engine[] = [sqlite, postgres, mysql, mssql];

/** Opens the database and tests the connection, so that whatever is wrong with the URL, the login or the file is reported here. */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Database> {
  return engineOf(url).open(url, options);
}

/** On any engine: the checkpoint tables of a run may be in a local SQLite file, whatever its database is. */
export function isDiskFull(error: unknown): boolean {
  return engines.some(({ failures }) => failures.isDiskFull(error));
}

export function engineOf(url: string): Engine {
  const engine = engines.find((each) => each.takes(url));
  if (engine !== undefined) return engine;
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  throw invalidUrl(
    scheme === undefined
      ? 'the database URL has no scheme'
      : `keyturn does not support the database engine ${scheme}`,
    {
      hint: `write it as ${new Intl.ListFormat('en', { type: 'disjunction' }).format(engines.map(({ shape }) => shape))}`,
    },
  );
}
