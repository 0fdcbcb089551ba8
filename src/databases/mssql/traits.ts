import type { Traits } from '../traits.ts';

export const mssqlTraits: Traits = {
  /** Not measured. */
  rowsPerSecond: 20_000,
  chunkRows: 2000,
  versionBytes: null,
  oneHost: false,
  survival: [
    'The transaction log and its backups: in the FULL recovery model the log keeps every row written until it is backed up and reused.',
    'Freed pages of the data files and of tempdb, until they are overwritten (sp_clean_db_free_space), and row versions of snapshot isolation.',
    'History tables of system-versioned tables, change data capture, and the subscribers of replication.',
    'Replicas of an availability group, database snapshots, and Query Store or traces that keep statements with their parameters.',
  ],
};
