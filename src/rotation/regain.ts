import { setTimeout as sleep } from 'node:timers/promises';
import type { Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { Database, RunLock } from '../databases/database.ts';
import type { Progress } from './coordinator.ts';

/** Longer than a server takes to restart or to fail over; then somebody has to look. */
const patienceMs = 10 * 60_000;
const firstPauseMs = 500;
const longestPauseMs = 10_000;

export interface Regained {
  readonly run: Run;
  readonly lock: RunLock;
}

/**
 * Waits until a database that went away is back, and takes the run lock anew. Null when it does not come back in time,
 * when somebody asks to stop, or when another coordinator took the run over meanwhile (its fence has risen).
 *
 * The old lock's connection may live on in the server for a while: that it is held is no reason to give up.
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

/** Where the run stands, as far as anybody can tell. */
export function awaitingDatabase(last: Progress): Progress {
  const run = { ...last.run, waiting: 'the database went away' };
  return { ...last, run, waitingFor: 'database' };
}
