import type { Traits } from '../traits.ts';

export const mysqlTraits: Traits = {
  rowsPerSecond: 22_000,
  chunkRows: 2000,
  versionBytes: null,
  oneHost: false,
  survival: [
    'Undo logs and the pages of tables and indexes, until InnoDB purges old row versions and overwrites their bytes; OPTIMIZE TABLE rewrites a table.',
    'The binary log, which in row format keeps the old and the new version of every row until it is purged, and the redo log.',
    'Replicas, especially delayed ones, their relay logs, and other readers of the binary log.',
    'The history of system-versioned tables (MariaDB), until ALTER TABLE … DROP SYSTEM VERSIONING or DELETE HISTORY.',
    "The server's general log and slow query log, if they are enabled.",
  ],
};
