import type { Run } from '../checkpoint/run.ts';

const sqlite = [
  'The write-ahead log or rollback journal beside the database (-wal, -journal) until it is checkpointed, reset and overwritten.',
  'Free pages and the slack of pages inside the database file, unless secure_delete was on; VACUUM writes the file anew.',
  'Blocks that the file system or a solid-state disk has not yet reused, and snapshots of the volume.',
];

const postgres = [
  'Dead row versions in tables, TOAST tables and indexes: VACUUM frees them, but their bytes stay until they are overwritten; VACUUM FULL writes the table anew.',
  'Write-ahead log: segments not yet recycled, the WAL archive, and what replication slots hold back.',
  'Replicas, physical and logical, delayed ones above all, and whatever else subscribes to changes.',
  "The server's log, when it logs statements with their parameters (log_statement, log_min_duration_statement, auto_explain).",
];

const mysql = [
  'Undo logs and the pages of tables and indexes, until InnoDB purges old row versions and overwrites their bytes; OPTIMIZE TABLE writes a table anew.',
  'The binary log, in which row format keeps every row as it was and as it is, until it is purged, and the redo log.',
  'Replicas, delayed ones above all, their relay logs, and whatever else reads the binary log.',
  'The history of system-versioned tables (MariaDB), until ALTER TABLE … DROP SYSTEM VERSIONING or DELETE HISTORY.',
  "The server's general log and slow query log, when they are on.",
];

const mssql = [
  'The transaction log and its backups: in the FULL recovery model every row written is kept until the log is backed up and reused.',
  'Freed pages of the data files and of tempdb, until they are overwritten (sp_clean_db_free_space), and row versions of snapshot isolation.',
  'History tables of system-versioned tables, change data capture, and the subscribers of replication.',
  'Replicas of an availability group, database snapshots, and Query Store or traces that keep statements with their parameters.',
];

const anyEngine = [
  "The engine's logs and journals, freed pages inside its files, and replicas of the database.",
];

const everywhere = [
  'Backups, dumps, snapshots and exports made before the run ended, and copies of the database for tests or analysis.',
  "The application's own execution logs, audit and history tables, caches and queues that hold copies of stored values.",
  'Memory and swap of application processes that were not restarted.',
];

const files = [
  'The originals of the encrypted files, in the folder beside theirs whose name ends in _MasterKeyRotationBackup.',
];

/** Where ciphertext under the old key may live on, out of reach of any rotation; sentences. Empty: nothing was rotated. */
export function survivalOf(run: Run): string[] {
  if (run.kind !== 'rotation') return [];
  return [
    ...engineOf(run.place),
    ...everywhere,
    ...(run.job.targets.some(({ tree }) => tree !== undefined) ? files : []),
    ...(run.job.leftOut === undefined
      ? []
      : [`The encrypted files beside the database, which this run knowingly left out.`]),
    `The old key (${run.fromKeyId}) opens all of these: keep it locked away while one of them may be needed, then destroy both. If the old key was compromised, the secrets in them are too: replace those at their origin.`,
  ];
}

function engineOf(place: string): readonly string[] {
  if (place.startsWith('sqlite:')) return sqlite;
  if (place.startsWith('mysql:')) return mysql;
  if (place.startsWith('mssql:')) return mssql;
  return /^postgres(ql)?:/.test(place) ? postgres : anyEngine;
}
