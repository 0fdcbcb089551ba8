import type { OwnTables } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';
import { otherKeyIds } from './pin.ts';
import { assertReadable, begunBefore, isFinished, isVerified, isWriting, type Run } from './run.ts';
import { RunTable } from './run-table.ts';
import { assertVersion, checkpointVersion, migrate, readCheckpointVersion } from './schema.ts';

/**
 * All runs of this database, newest first. Empty without keyturn's tables. Tables of an older
 * version can be read.
 *
 * @throws KeyturnError `checkpoint-version` for tables of a newer version
 */
export async function readHistory(database: OwnTables): Promise<readonly Run[]> {
  const version = await readCheckpointVersion(database);
  if (version === 0) return [];
  if (version > checkpointVersion) assertVersion(version);
  return new RunTable(database.knex).list();
}

/**
 * The same for callers that write to the tables and hold the run lock.
 *
 * @param upgrade upgrade tables of an older version first
 * @throws KeyturnError `checkpoint-version`
 */
export async function openHistory(database: OwnTables, upgrade = false): Promise<readonly Run[]> {
  const runs = await readHistory(database);
  if (await assertOpenable(database, runs, upgrade)) return runs;
  await migrate(database);
  return new RunTable(database.knex).list();
}

/**
 * Whether keyturn's tables have this version, or there are none; false: they can be upgraded.
 *
 * @throws KeyturnError `checkpoint-version`
 */
export async function assertOpenable(
  database: OwnTables,
  runs: readonly Run[],
  upgrade: boolean,
): Promise<boolean> {
  const version = await readCheckpointVersion(database);
  if (version === 0 || version === checkpointVersion) return true;
  const unfinished = unfinishedRun(runs);
  if (unfinished !== undefined) throw begunBefore(unfinished);
  if (!upgrade) assertVersion(version);
  return false;
}

export function unfinishedRun(runs: readonly Run[]): Run | undefined {
  return runs.find(({ kind, state }) => isWriting(kind) && !isFinished(state));
}

/** A second rotation would expect all values under one key, while some are under each of two. */
export function assertNoneUnfinished(runs: readonly Run[], hint = 'finish it with keyturn resume'): void {
  const run = unfinishedRun(runs);
  if (run === undefined) return;
  assertReadable(run);
  throw new KeyturnError(
    'run-unfinished',
    `run ${run.id} is unfinished: some values use the old key and some the new one`,
    { hint, facts: { run: run.id } },
  );
}

/** Ids of keys that finished runs have rotated away from. The old key of a run that was rolled back is in use again. */
export function retiredKeyIds(runs: readonly Run[]): string[] {
  return runs
    .filter(({ kind, state, job }) => isWriting(kind) && isVerified(state) && job.only === undefined)
    .flatMap(({ fromKeyId, toKeyId, pinned }) => [
      ...(fromKeyId === toKeyId ? [] : [fromKeyId]),
      ...otherKeyIds(pinned),
    ]);
}

/** The run with this id, or the newest. */
export function runNamed(runs: readonly Run[], id?: string): Run {
  const run = id === undefined ? runs[0] : runs.find((each) => each.id === id);
  if (run !== undefined) return run;
  const message = id === undefined ? 'this database has no runs' : `this database has no run ${id}`;
  throw new KeyturnError('run-unknown', message, { hint: 'keyturn status lists the runs' });
}

/** The given key must be the one that the run rotates from. */
export function assertCurrentKey(run: Run, current: Key): void {
  if (current.id === run.fromKeyId) return;
  throw new KeyturnError(
    'other-keys',
    `the unfinished run ${run.id} rotates from key ${run.fromKeyId} to key ${run.toKeyId}, but the given current key is ${current.id}`,
    {
      hint: `use --current-key-file with the file of key ${run.fromKeyId}, and --new-key-file with the file of key ${run.toKeyId}`,
      facts: { run: run.id, from: run.fromKeyId, to: run.toKeyId, given: current.id },
    },
  );
}
