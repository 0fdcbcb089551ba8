import type { Traits } from '../traits.ts';

export const postgresTraits: Traits = {
  rowsPerSecond: 41_000,
  chunkRows: 20_000,
  /** Header, line pointer and alignment. */
  versionBytes: 32,
  oneHost: false,
  survival: [
    'Dead row versions in tables, TOAST tables and indexes: VACUUM frees them, but their bytes stay until they are overwritten; VACUUM FULL rewrites the table.',
    'The write-ahead log: segments that are not recycled yet, the WAL archive, and what replication slots retain.',
    'Replicas, physical and logical, especially delayed ones, and other subscribers to changes.',
    "The server's log, if it logs statements with their parameters (log_statement, log_min_duration_statement, auto_explain).",
  ],
};
