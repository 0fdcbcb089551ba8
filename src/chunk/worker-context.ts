import type { Knex } from 'knex';
import type { CheckpointMac } from '../checkpoint/mac.ts';
import type { Run, RunKind } from '../checkpoint/run.ts';
import type { Database } from '../databases/database.ts';
import type { Listings } from '../files/listings.ts';
import type { Keyring } from '../keys/keyring.ts';

/** What a worker needs to rotate or verify chunks of one run. */
export interface WorkerContext {
  /** The application's database. */
  readonly database: Database;
  /** The database with the checkpoint tables: the application's, or a local file for runs that must not write to it. */
  readonly checkpoint: Knex;
  readonly run: string;
  /** Checks and completes what the checkpoint holds of the run. */
  readonly mac: CheckpointMac;
  /** The folder of the encrypted files on this host; null: not given. */
  readonly attachments: string | null;
  /** Listings of its folders, kept from chunk to chunk while the run rotates, or during one verification scan. */
  readonly listings: (run: Run) => Listings;
  /** Name of this worker: host and process, for the operator. */
  readonly worker: string;
  /** The keys before the run; null for a verification, which has only one key. */
  readonly from: Keyring | null;
  readonly to: Keyring;
  /** The keyring that the database contains under the new key, read once per verification scan. */
  readonly verifying: (round: number) => Promise<Keyring>;
  /** The rotation or rollback with whose digests a verification compares. */
  readonly reference: {
    readonly checkpoint: Knex;
    readonly run: string;
    readonly kind: RunKind;
    readonly mac: CheckpointMac | null;
  } | null;
}

/** A row changed between two reads under its lock. The whole transaction is retried. */
export class Contended extends Error {}

/** The chunk is no longer this worker's: another worker did it, or the run was stopped or taken over. Rolls back. */
export class Stale extends Error {}
