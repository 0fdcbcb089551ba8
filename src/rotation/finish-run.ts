import type { Knex } from 'knex';
import { assertAuthenticChunks } from '../checkpoint/audit.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { ExceptionTable } from '../checkpoint/exception-table.ts';
import { CheckpointMac } from '../checkpoint/mac.ts';
import { assertAuthentic, assertKeys, type Run, type RunKeys } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { originalsOf } from '../chunk/files/file-target.ts';
import type { RunLock } from '../databases/database.ts';
import { lookAgain } from '../inventory/last-look.ts';
import { processName } from './process-name.ts';
import type { Progress } from './progress.ts';
import { awaitingDatabase, Patience, reasonToWait, regain } from './regain.ts';
import { keyringsOf } from './run-keyrings.ts';
import { endOf } from './setback.ts';
import { coordinate, type Site } from './site.ts';
import { threadData } from './workers/thread.ts';

/**
 * Finishes a run of the database, from whatever state it is in. If the connection is lost, waits some minutes for the
 * database.
 */
export async function finishRun(site: Site, lock: RunLock, run: Run, keys: RunKeys): Promise<Run> {
  assertKeys(run, keys.current, keys.next);
  let last: Progress = { run, totals: new Map(), exceptions: 0, waitingFor: null };
  const progress = (state: Progress): void => {
    last = state;
    site.progress(state);
  };
  const takenOver = (taken: Run): void => {
    last = { ...last, run: taken };
  };
  const patience = new Patience();
  let held = lock;
  try {
    for (let from = run; ; ) {
      try {
        return await session({ ...site, progress }, held, from, keys, takenOver);
      } catch (error) {
        if (!site.database.failures.isTransient(error) || !patience.lasts(last)) throw error;
        site.progress(awaitingDatabase(last, await reasonToWait(site.database, error)));
        // The server may still hold the lock of this process
        await held.release();
        const regained = await regain(site, last.run);
        if (regained === null && site.signal.aborted)
          throw endOf('stopped', `stopped by ${String(site.signal.reason)}`);
        if (regained === null) throw error;
        held = regained.lock;
        from = regained.run;
      }
    }
  } finally {
    if (held !== lock) await held.release();
  }
}

/**
 * Takes the run over and works on it until it is finished or interrupted.
 *
 * @param takenOver is told the run with its new fence, before anything can be lost.
 */
async function session(
  site: Site,
  lock: RunLock,
  run: Run,
  keys: RunKeys,
  takenOver: (taken: Run) => void,
): Promise<Run> {
  const runs = new RunTable(site.database.knex);
  const mac = new CheckpointMac(keys.next, run.id);
  const chunks = new ChunkTable(site.database.knex, run.id, mac);
  let taken = await runs.takeOver(run, processName(), site.database.traits.oneHost);
  takenOver(taken);
  assertAuthentic(taken, mac);
  await assertAuthenticChunks(site.database.knex, taken, mac, false);
  if (run.state !== 'planned') {
    await runs.record(run.id, 'resumed', { state: run.state });
    await chunks.replan();
    if (taken.options.onException === 'stop') await planRetries(site.database.knex, taken, mac);
  }
  if (taken.state === 'verifying') taken = await runs.become(taken, 'rotating');
  await originalsOf(taken.job, site.attachments)?.claim(run.id);
  const { from } = keyringsOf(run, keys);
  return coordinate(site, {
    checkpoint: site.database.knex,
    mac,
    lock,
    run: taken,
    data: threadData(site, taken, keys),
    lookAgain: (now) => lookAgain(site.database, now, from),
  });
}

/** Tries the exceptions of a finished run again: their rows become sweep chunks. */
export async function retryExceptions(site: Site, lock: RunLock, run: Run, keys: RunKeys): Promise<Run> {
  assertKeys(run, keys.current, keys.next);
  const mac = new CheckpointMac(keys.next, run.id);
  assertAuthentic(run, mac);
  // The state first: if the process is killed in between, the run must not look finished without its exceptions
  const rotating = await new RunTable(site.database.knex).become(run, 'rotating');
  await planRetries(site.database.knex, rotating, mac);
  return finishRun(site, lock, rotating, keys);
}

/** Rows with open exceptions become sweep chunks; in the same transaction the exceptions are closed. */
async function planRetries(knex: Knex, run: Run, mac: CheckpointMac): Promise<void> {
  const exceptions = new ExceptionTable(knex, run.id);
  const chunks = new ChunkTable(knex, run.id, mac);
  for (;;) {
    const open = await exceptions.open(200, 0, { but: ['digest-differs', 'unproven'] });
    const [first] = open;
    if (first === undefined) return;
    const found = await chunks.find(first.chunk);
    if (found === undefined) return;
    const rowIds = open.filter(({ chunk }) => chunk === first.chunk).map(({ rowId }) => rowId);
    const unique = [...new Map(rowIds.map((id) => [JSON.stringify(id), id])).values()];
    const { target, phase } = found;
    await knex.transaction(async (trx) => {
      await exceptions.resolve(trx, target, unique);
      const parent = found.parent ?? found.chunk;
      await chunks.insert(
        [{ target, phase, parent, range: { after: null, upTo: null }, rowIds: unique }],
        trx,
      );
    });
  }
}
