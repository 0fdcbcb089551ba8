import { setTimeout as sleep } from 'node:timers/promises';
import { isFinished, type Request, type Run, type RunState } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { Database, RunLock } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';

/** How often the run's row is read, and how often the lock is tried, which a coordinator may hold. */
const lookEveryMs = 200;
const tryLockEveryMs = 2_000;

/** The result of a request. */
export interface Steered {
  readonly run: Run;
  /**
   * `coordinator`: the coordinator did it. `this`: no coordinator was running, so this process changed the state.
   * `already`: the run was in this state before. `asked`: the request is stored, and no coordinator has acted on it yet.
   * `ended`: the run was finished first.
   */
  readonly by: 'coordinator' | 'this' | 'already' | 'asked' | 'ended';
}

/** Whether a coordinator is running: it holds the run lock, which ends with its process. Null: unknown. */
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
 * Pauses or cancels a run: if a coordinator is running, by a request in the run's row, otherwise here, under the run
 * lock.
 *
 * @param waitMs how long to wait for the coordinator; 0: only the request is stored.
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
    // A coordinator that has just taken over cleared the request to the one before it
    if (now.requested !== request) await runs.request(now, request);
    if (signal.aborted || performance.now() >= until) return { run: now, by: 'asked' };
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
    if (performance.now() < nextTry) continue;
    nextTry = performance.now() + tryLockEveryMs;
    const left = await restAlone(database, run, request);
    if (left !== null) return steered(left, 'coordinator');
  }
}

/** The result for a run that `restAlone` found or left at rest; `found`: by whom, if not by `restAlone`. */
function steered({ run, moved }: Rested, found: 'already' | 'coordinator'): Steered {
  if (isFinished(run.state)) return { run, by: 'ended' };
  return { run, by: moved ? 'this' : found };
}

/** Nothing works on a run in this state, or the request is fulfilled. */
function rests(state: RunState, request: Request): boolean {
  if (state === 'cancelled' || isFinished(state)) return true;
  return request === 'pause' && (state === 'paused' || state === 'failed');
}

interface Rested {
  readonly run: Run;
  /** By `restAlone`, not by a coordinator before it. */
  readonly moved: boolean;
}

/** Changes the state of the run under its lock, so that no coordinator can start. Null: one is running. */
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

/** A failure stays the reason: after a failed verification a resume reads everything again. */
function reasonOf({ state, reason }: Run, request: Request): NonNullable<Run['reason']> {
  if (request === 'pause') return { code: 'stopped', text: 'paused by keyturn pause' };
  if (state === 'failed' && reason !== null)
    return { code: reason.code, text: `cancelled by keyturn cancel after a failure: ${reason.text}` };
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
