import type { Knex } from 'knex';
import type { CheckpointMac } from '../checkpoint/mac.ts';
import type { Run } from '../checkpoint/run.ts';
import type { Database, RunLock } from '../databases/database.ts';
import type { Key } from '../keys/key.ts';
import { type Coordination, Coordinator, type Progress } from './coordinator.ts';
import { type Pace, paceOf } from './pace.ts';
import { processName } from './process-name.ts';
import { openRunQueue, type QueueSite } from './run-queue.ts';
import type { ThreadData } from './thread.ts';

/** Where and how a run works. */
export interface Site extends QueueSite {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly databasePassword: string | null;
  /** The folder of the encrypted files; null: the job has none, or they are left out. */
  readonly attachments: string | null;
  readonly signal: AbortSignal;
  readonly progress: (state: Progress) => void;
  /** What holds the run back; default nothing. */
  readonly pace?: Pace;
  readonly toolVersion: string;
}

export interface RunKeys {
  readonly current: Key;
  readonly next: Key;
}

/**
 * Takes a run that has its row to its end; without a lock, one that writes nothing.
 *
 * @param lookAgain default: nobody looks what came behind the inventory
 */
export async function coordinate(
  site: Site,
  checkpoint: Knex,
  lock: RunLock | null,
  run: Run,
  data: ThreadData,
  mac: CheckpointMac,
  lookAgain: Coordination['lookAgain'] = async () => null,
): Promise<Run> {
  const queue = await openRunQueue(site, data);
  try {
    const { database, attachments, signal, progress, pace = paceOf([]) } = site;
    const around = { database, attachments, checkpoint, mac, queue, lock, signal, progress, pace };
    const coordination = { ...around, lookAgain };
    return await new Coordinator(coordination, run).finish();
  } finally {
    await queue.close();
  }
}

/** What a worker thread of this process is told. */
export function threadData(
  site: Site,
  run: Run,
  keys: RunKeys,
  checkpointFile: string | null,
  referenceRun: string | null,
): ThreadData {
  const { databaseUrl, databasePassword, attachments } = site;
  return {
    databaseUrl,
    databasePassword,
    checkpointFile,
    run: run.id,
    attachments,
    statementTimeoutMs: run.options.chunkTimeoutMs,
    worker: processName(),
    oldKey: keys.current.sent(),
    newKey: keys.next.sent(),
    referenceRun,
  };
}
