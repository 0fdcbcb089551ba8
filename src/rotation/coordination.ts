import type { Knex } from 'knex';
import type { CheckpointMac } from '../checkpoint/mac.ts';
import type { LatePlaces, Run } from '../checkpoint/run.ts';
import type { Database, RunLock } from '../databases/database.ts';
import type { InFlight } from '../in-flight.ts';
import type { Queue } from '../queue/queue.ts';
import type { Pace } from './pace/pace.ts';
import type { Progress } from './progress.ts';

/** What a coordinator works with. */
export interface Coordination {
  readonly database: Database;
  readonly attachments: string | null;
  readonly checkpoint: Knex;
  readonly mac: CheckpointMac;
  readonly queue: Queue;
  /** Of the rows of one chunk; absent: the default. */
  readonly chunkBytes?: number | undefined;
  /** Held for the whole run; null: the run writes nothing to the database. */
  readonly lock: RunLock | null;
  /** Stops the run: chunks in progress finish, then the run pauses. The reason is part of the message. */
  readonly signal: AbortSignal;
  readonly inFlight: InFlight;
  /** Windows and throttles. */
  readonly pace: Pace;
  /** Called about twice a second with the state of the run. */
  readonly progress: (state: Progress) => void;
  /** Reads what the verifier did not; null: nothing was added during the run. */
  readonly lookAgain: (run: Run) => Promise<LatePlaces | null>;
}
