/**
 * Names of keyturn's own tables (checkpoint/schema.ts): they are no part of the application's catalog. Exact names, since
 * somebody may name a copy `keyturn_backup`.
 */
export const ownTables = [
  'keyturn_chunk',
  'keyturn_event',
  'keyturn_exception',
  'keyturn_file',
  'keyturn_plan',
  'keyturn_run',
  'keyturn_version',
] as const;

export type OwnTable = (typeof ownTables)[number];

/** For `not in (…)`. */
export const ownTablesSql = ownTables.map((name) => `'${name}'`).join(', ');
