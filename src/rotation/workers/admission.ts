import { assertKeys, type Run, type RunKeys } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import { hostOf, processName } from '../process-name.ts';
import { type ThreadData, threadData } from './thread.ts';
import type { DatabaseAccess } from './worker.ts';

/** A worker that wants to take chunks of a run. */
export interface Applicant extends DatabaseAccess {
  /** The database takes processes of one host only. */
  readonly oneHost: boolean;
  readonly toolVersion: string;
  /** Called last, so that every other problem is reported first. */
  readonly keys: (run: Run) => Promise<RunKeys>;
}

/**
 * The data for the worker's threads, after checking that they will do the same as the coordinator's own.
 *
 * @throws KeyturnError `other-keys`, `checkpoint-version` for a run of an incompatible keyturn, `other-host`.
 */
export async function admit(run: Run, applicant: Applicant): Promise<ThreadData> {
  assertCompatible(run, applicant.toolVersion);
  if (applicant.oneHost) assertHost(run);
  const keys = await applicant.keys(run);
  assertKeys(run, keys.current, keys.next);
  return threadData(applicant, run, keys);
}

/** Versions that may work on the same run have the same major number; before 1.0, the same minor number. */
function assertCompatible(run: Run, toolVersion: string): void {
  if (seriesOf(run.toolVersion) === seriesOf(toolVersion)) return;
  throw new KeyturnError(
    'checkpoint-version',
    `run ${run.id} was started with keyturn ${run.toolVersion}, but this is version ${toolVersion}`,
    { hint: 'use the same version for the coordinator and all workers', facts: { run: run.id } },
  );
}

function seriesOf(version: string): string {
  const [major = '', minor = ''] = version.split('.');
  return major === '0' ? `0.${minor}` : major;
}

/** A database without a server: a file that several hosts write would soon be corrupt. */
function assertHost(run: Run): void {
  const here = hostOf(processName());
  if (run.coordinator === null) return;
  const there = hostOf(run.coordinator);
  if (there === here) return;
  throw new KeyturnError(
    'other-host',
    `run ${run.id} is in an SQLite database on the host ${there}, but this is ${here}`,
    { hint: `SQLite can be used from one host only: start the workers on ${there}`, facts: { run: run.id } },
  );
}
