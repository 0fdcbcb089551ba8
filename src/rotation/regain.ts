import { once } from 'node:events';
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
    const tried = await Promise.race([attempt(database, id), aborted(signal)]);
    if (tried === null) return null;
    const { lock, run } = tried;
    if (run !== undefined && run.fence !== fence) {
      await lock?.release();
      return null;
    }
    if (run !== undefined && lock !== null) return { run, lock };
    await lock?.release();
  }
  return null;
}

async function attempt(
  database: Database,
  id: string,
): Promise<{ readonly lock: RunLock | null; readonly run: Run | undefined }> {
  const lock = await database.lockRun().catch(() => null);
  const run = await new RunTable(database.knex).find(id).catch(() => undefined);
  return { lock, run };
}

/** A server that is silent does not keep Ctrl-C from ending the wait. */
async function aborted(signal: AbortSignal): Promise<null> {
  if (!signal.aborted) await once(signal, 'abort');
  return null;
}

/** The last known progress, while the database cannot be used, and why. */
export function awaitingDatabase(last: Progress, why: string): Progress {
  return { ...last, run: { ...last.run, waiting: why }, waitingFor: 'database' };
}

/** Why the session ended, for people: who holds the lock, or that there is no connection. */
export async function reasonToWait(database: Database, error: unknown): Promise<string> {
  if (!database.failures.isLocked(error)) return 'the connection to the database was lost';
  const holders = await database.server.lockHolders();
  return holders.length === 0
    ? 'another session holds a lock'
    : `another session holds a lock on a table (${holders.join('; ')})`;
}

/** One limit over all that goes wrong: sessions that fail again and again without any progress. */
export class Patience {
  #mark = '';
  #since = performance.now();

  /** False: nothing has moved for ten minutes. */
  lasts({ run, totals }: Progress): boolean {
    const rows = [...totals.values()].reduce(
      (sum, { ranges, sweeps }) =>
        sum + (ranges?.tally.rows ?? 0) + (sweeps?.tally.rows ?? 0) + (ranges?.verification.rows ?? 0),
      0,
    );
    const mark = `${run.round} ${rows}`;
    if (mark !== this.#mark) this.#since = performance.now();
    this.#mark = mark;
    return performance.now() - this.#since < patienceMs;
  }
}
