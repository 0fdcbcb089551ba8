import type { Traits } from '../traits.ts';

export const mysqlTraits: Traits = {
  rowsPerSecond: 22_000,
  versionBytes: null,
  oneHost: false,
  survival: [
    'Undo logs and the pages of tables and indexes, until InnoDB purges old row versions and overwrites their bytes; OPTIMIZE TABLE writes a table anew.',
    'The binary log, in which row format keeps every row as it was and as it is, until it is purged, and the redo log.',
    'Replicas, delayed ones above all, their relay logs, and whatever else reads the binary log.',
    'The history of system-versioned tables (MariaDB), until ALTER TABLE … DROP SYSTEM VERSIONING or DELETE HISTORY.',
    "The server's general log and slow query log, when they are on.",
  ],
};
