import { setTimeout as sleep } from 'node:timers/promises';
import type { Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { Database, RunLock } from '../databases/database.ts';
import type { Progress } from './progress.ts';

/** Longer than a server takes to restart or to fail over. */
const patienceMs = 10 * 60_000;
const firstPauseMs = 500;
const longestPauseMs = 10_000;

export interface Regained {
  readonly run: Run;
  readonly lock: RunLock;
}

/**
 * Waits until a lost database can be reached again, and takes the run lock again. Null if that takes too long, if the
 * run was asked to stop, or if another coordinator took the run over in the meantime (its fence is higher).
 *
 * The server may keep the old connection with its lock for a while: a lock that is still held is not a reason to give up.
 */
export async function regain(
  { database, signal }: { readonly database: Database; readonly signal: AbortSignal },
  { id, fence }: Pick<Run, 'id' | 'fence'>,
): Promise<Regained | null> {
  const until = performance.now() + patienceMs;
  for (
    let pauseMs = firstPauseMs;
    performance.now() < until;
    pauseMs = Math.min(2 * pauseMs, longestPauseMs)
  ) {
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return null;
    const lock = await database.lockRun().catch(() => null);
    const run = await new RunTable(database.knex).find(id).catch(() => undefined);
    if (run !== undefined && run.fence !== fence) {
      await lock?.release();
      return null;
    }
    if (run !== undefined && lock !== null) return { run, lock };
    await lock?.release();
  }
  return null;
}

/** The last known progress, while the database cannot be reached. */
export function awaitingDatabase(last: Progress): Progress {
  const run = { ...last.run, waiting: 'the connection to the database was lost' };
  return { ...last, run, waitingFor: 'database' };
}
