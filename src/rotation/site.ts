import type { Knex } from 'knex';
import { beatMs } from '../checkpoint/lease.ts';
import type { CheckpointMac } from '../checkpoint/mac.ts';
import type { Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { Database, RunLock } from '../databases/database.ts';
import { InFlight } from '../in-flight.ts';
import { within } from '../within.ts';
import type { Coordination } from './coordination.ts';
import { Coordinator } from './coordinator.ts';
import { type Pace, paceOf } from './pace/pace.ts';
import type { Progress } from './progress.ts';
import { openRunQueue, type QueueSite } from './run-queue.ts';
import type { ThreadData } from './workers/thread.ts';
import type { DatabaseAccess } from './workers/worker.ts';

/** Where and how a run works. */
export interface Site extends QueueSite, DatabaseAccess {
  readonly database: Database;
  readonly signal: AbortSignal;
  /** Told what a request to stop has to wait for. */
  readonly inFlight?: InFlight;
  readonly progress: (state: Progress) => void;
  /** What may hold the run back; default: nothing. */
  readonly pace?: Pace;
  readonly toolVersion: string;
  /** Of the rows of one chunk (memory.ts); absent: the default. */
  readonly chunkBytes?: number;
}

/** A run that is in the checkpoint, and what its coordinator needs besides the site. */
export interface Session {
  /** Holds the checkpoint tables. */
  readonly checkpoint: Knex;
  readonly mac: CheckpointMac;
  /** Null: the run writes nothing to the database. */
  readonly lock: RunLock | null;
  readonly run: Run;
  readonly data: ThreadData;
  readonly lookAgain?: Coordination['lookAgain'];
}

const endLeaseMs = 2_000;

/** Coordinates a run to its end. */
export async function coordinate(site: Site, session: Session): Promise<Run> {
  const { checkpoint, mac, lock, run, data, lookAgain = async () => null } = session;
  const {
    database,
    attachments,
    signal,
    inFlight = new InFlight(),
    progress,
    pace = paceOf([]),
    chunkBytes,
  } = site;
  const queue = await openRunQueue(site, data);
  const runs = new RunTable(checkpoint);
  // What a missed beat means is found out by whatever the coordinator writes next
  const beats = setInterval(() => void runs.beat(run).catch(() => undefined), beatMs);
  try {
    const coordination = {
      database,
      attachments,
      checkpoint,
      mac,
      queue,
      chunkBytes,
      lock,
      signal,
      inFlight,
      progress,
      pace,
      lookAgain,
    };
    return await new Coordinator(coordination, run).finish();
  } finally {
    clearInterval(beats);
    await queue.close();
    await within(endLeaseMs, runs.endLease(run));
  }
}
