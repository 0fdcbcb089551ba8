import { setTimeout as sleep } from 'node:timers/promises';
import { isFinished, type Request, type Run, type RunState } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { Database, RunLock } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';

/** How often the run's row is looked at, and how often the lock is tried, which a coordinator may hold. */
const lookEveryMs = 200;
const tryLockEveryMs = 2_000;

/** What became of a request. */
export interface Steered {
  readonly run: Run;
  /**
   * `coordinator`: it acted. `this`: no coordinator was alive, so the run was moved here. `already`: it stood so before.
   * `asked`: the request stands, nobody has acted on it yet. `ended`: the run came to its end first.
   */
  readonly by: 'coordinator' | 'this' | 'already' | 'asked' | 'ended';
}

/** Whether a coordinator is at work: its lock tells, which dies with it. Null: it cannot be told. */
export async function isCoordinated(database: Database): Promise<boolean | null> {
  try {
    const lock = await lockOrNull(database);
    await lock?.release();
    return lock === null;
  } catch {
    return null;
  }
}

/**
 * Brings a run to rest: through its row where a coordinator is alive, else right here under the run lock.
 *
 * @param waitMs how long to wait for the coordinator; 0: the request is left in the run's row.
 */
export async function steer(
  database: Database,
  run: Run,
  request: Request,
  waitMs: number,
  signal: AbortSignal,
): Promise<Steered> {
  if (rests(run.state, request)) return { run, by: 'already' };
  const alone = await restAlone(database, run, request);
  if (alone !== null) return steered(alone, 'already');
  const runs = new RunTable(database.knex);
  const until = performance.now() + waitMs;
  let nextTry = performance.now() + tryLockEveryMs;
  for (;;) {
    const now = await runs.get(run.id);
    if (rests(now.state, request)) return { run: now, by: isFinished(now.state) ? 'ended' : 'coordinator' };
    // A coordinator that has just taken over cleared what was asked of the one before it
    if (now.requested !== request) await runs.request(now, request);
    if (signal.aborted || performance.now() >= until) return { run: now, by: 'asked' };
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    if (performance.now() < nextTry) continue;
    nextTry = performance.now() + tryLockEveryMs;
    const left = await restAlone(database, run, request);
    if (left !== null) return steered(left, 'coordinator');
  }
}

/** What a run at rest whose lock was free, as `restAlone` found or left it, is told as; `found`: who moved it before. */
function steered({ run, moved }: Rested, found: 'already' | 'coordinator'): Steered {
  if (isFinished(run.state)) return { run, by: 'ended' };
  return { run, by: moved ? 'this' : found };
}

/** Nobody works on a run in such a state, or what was asked for has been done. */
function rests(state: RunState, request: Request): boolean {
  if (state === 'cancelled' || isFinished(state)) return true;
  return request === 'pause' && (state === 'paused' || state === 'failed');
}

interface Rested {
  readonly run: Run;
  /** By restAlone, not by the coordinator before it. */
  readonly moved: boolean;
}

/** Moves the run itself when no coordinator can: under its lock none begins. Null: one is alive. */
async function restAlone(database: Database, run: Run, request: Request): Promise<Rested | null> {
  const lock = await lockOrNull(database);
  if (lock === null) return null;
  try {
    const runs = new RunTable(database.knex);
    const now = await runs.get(run.id);
    if (rests(now.state, request)) return { run: now, moved: false };
    const state = request === 'pause' ? 'paused' : 'cancelled';
    const moved = await runs.become(now, state, reasonOf(now, request));
    await runs.record(moved.id, state, { code: moved.reason?.code ?? state });
    return { run: moved, moved: true };
  } finally {
    await lock.release();
  }
}

/** A failure stays the reason: a resume reads everything again after a verification that failed. */
function reasonOf({ state, reason }: Run, request: Request): NonNullable<Run['reason']> {
  if (request === 'pause') return { code: 'stopped', text: 'paused by keyturn pause' };
  if (state === 'failed' && reason !== null)
    return { code: reason.code, text: `cancelled by keyturn cancel after it had failed: ${reason.text}` };
  return { code: 'cancelled', text: 'cancelled by keyturn cancel' };
}

async function lockOrNull(database: Database): Promise<RunLock | null> {
  try {
    return await database.lockRun();
  } catch (error) {
    if (error instanceof KeyturnError && error.code === 'run-lock') return null;
    throw error;
  }
}
