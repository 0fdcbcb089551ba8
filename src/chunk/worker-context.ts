import type { Knex } from 'knex';
import type { CheckpointMac } from '../checkpoint/mac.ts';
import type { Run } from '../checkpoint/run.ts';
import type { Database } from '../databases/database.ts';
import type { Listings } from '../files/listings.ts';
import type { Keyring } from '../keys/keyring.ts';

/** What a worker needs to rotate or verify any chunk of one run. */
export interface WorkerContext {
  /** The application's database. */
  readonly database: Database;
  /** Where the checkpoint tables are: the same database, or a local file for runs that must not write. */
  readonly checkpoint: Knex;
  readonly run: string;
  /** Checks and completes what the checkpoint holds of the run. */
  readonly mac: CheckpointMac;
  /** The folder of the encrypted files, as this host sees it; null: it was given none. */
  readonly attachments: string | null;
  /** What its folders hold, kept from chunk to chunk for as long as the run rotates, or verifies once. */
  readonly listings: (run: Run) => Listings;
  /** Name of this worker: host and process, for people. */
  readonly worker: string;
  /** The keys before the run; none for a verification, which knows one key only. */
  readonly from: Keyring | null;
  readonly to: Keyring;
  /** The keyring that the database itself tells under the new key, read once per verification scan. */
  readonly verifying: (round: number) => Promise<Keyring>;
  /** The rotation whose digests a verification compares with. */
  readonly reference: {
    readonly checkpoint: Knex;
    readonly run: string;
    readonly mac: CheckpointMac | null;
  } | null;
}

/** A row changed between two reads under its lock: the whole transaction is tried again. */
export class Contended extends Error {}

/** The chunk is no longer this worker's: done by another, or the run was stopped or taken over. Its transaction ends. */
export class Stale extends Error {}
