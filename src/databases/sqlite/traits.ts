import type { Traits } from '../traits.ts';

export const sqliteTraits: Traits = {
  rowsPerSecond: 129_000,
  chunkRows: 2000,
  versionBytes: null,
  oneHost: true,
  survival: [
    'The write-ahead log or rollback journal beside the database (-wal, -journal) until they are checkpointed, reset and overwritten.',
    'Free pages and the slack of pages inside the database file, unless secure_delete was on; VACUUM rewrites the file.',
    'Blocks that the file system or a solid-state disk has not reused yet, and snapshots of the volume.',
  ],
};
