import type { Traits } from '../traits.ts';

export const postgresTraits: Traits = {
  rowsPerSecond: 41_000,
  /** Header, line pointer and alignment. */
  versionBytes: 32,
  oneHost: false,
  survival: [
    'Dead row versions in tables, TOAST tables and indexes: VACUUM frees them, but their bytes stay until they are overwritten; VACUUM FULL writes the table anew.',
    'Write-ahead log: segments not yet recycled, the WAL archive, and what replication slots hold back.',
    'Replicas, physical and logical, delayed ones above all, and whatever else subscribes to changes.',
    "The server's log, when it logs statements with their parameters (log_statement, log_min_duration_statement, auto_explain).",
  ],
};
