import type { OwnTables } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';
import { begunBefore, isFinished, type Run } from './run.ts';
import { RunTable } from './run-table.ts';
import { assertVersion, checkpointVersion, migrate, readCheckpointVersion } from './schema.ts';

/**
 * All runs that this database knows of, newest first; none without keyturn's tables. What an older version left can be
 * read.
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
 * The same, for whoever writes to the tables under the run lock.
 *
 * @param upgrade tables of an older version are brought up to date first
 * @throws KeyturnError `checkpoint-version`
 */
export async function openHistory(database: OwnTables, upgrade = false): Promise<readonly Run[]> {
  const runs = await readHistory(database);
  const version = await readCheckpointVersion(database);
  if (version === 0 || version === checkpointVersion) return runs;
  const unfinished = unfinishedRun(runs);
  if (unfinished !== undefined) throw begunBefore(unfinished);
  if (!upgrade) assertVersion(version);
  await migrate(database);
  return new RunTable(database.knex).list();
}

export function unfinishedRun(runs: readonly Run[]): Run | undefined {
  return runs.find(({ kind, state }) => kind === 'rotation' && !isFinished(state));
}

/** Begun a second time, a rotation would take values under two keys for values under one. */
export function assertNoneUnfinished(runs: readonly Run[], hint = 'finish it with keyturn resume'): void {
  const run = unfinishedRun(runs);
  if (run === undefined) return;
  throw new KeyturnError(
    'run-unfinished',
    `run ${run.id} is unfinished: some values use the old key and some the new one`,
    { hint, facts: { run: run.id } },
  );
}

/** Ids of keys that finished runs have rotated away from. */
export function retiredKeyIds(runs: readonly Run[]): string[] {
  return runs
    .filter(({ kind, state }) => kind === 'rotation' && isFinished(state))
    .map(({ fromKeyId }) => fromKeyId);
}

/** The run named, or by default the newest. */
export function runNamed(runs: readonly Run[], id?: string): Run {
  const run = id === undefined ? runs[0] : runs.find((each) => each.id === id);
  if (run !== undefined) return run;
  const message =
    id === undefined ? 'this database knows of no run' : `there is no run ${id} in this database`;
  throw new KeyturnError('run-unknown', message, { hint: 'keyturn status lists its runs' });
}

/** The key file given must hold the key that the run rotates from, whatever its name. */
export function assertCurrentKey(run: Run, current: Key): void {
  if (current.id === run.fromKeyId) return;
  throw new KeyturnError(
    'other-keys',
    `the unfinished run ${run.id} rotates the key ${run.fromKeyId} to ${run.toKeyId}, but the current key given is ${current.id}`,
    {
      hint: `give the file of the key ${run.fromKeyId} with --current-key-file, and that of ${run.toKeyId} with --new-key-file`,
      facts: { run: run.id, from: run.fromKeyId, to: run.toKeyId, given: current.id },
    },
  );
}
