import { createRequire } from 'node:module';
import type Library from 'better-sqlite3';

/**
 * better-sqlite3 13 needs Node 22. Version 12 is for Node 20 alone: compiled with the headers of Node 24.19 or newer, it
 * aborts the process at a garbage collection (https://github.com/WiseLibs/better-sqlite3/issues/1515).
 */
export const sqliteLibrary =
  Number.parseInt(process.versions.node, 10) < 22 ? 'better-sqlite3' : 'better-sqlite3-node22';

export const Sqlite: typeof Library = createRequire(import.meta.url)(sqliteLibrary);
