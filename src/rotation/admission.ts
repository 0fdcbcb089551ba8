import { assertKeys, type Run, type RunKeys } from '../checkpoint/run.ts';
import { KeyturnError } from '../error.ts';
import { hostOf, processName } from './process-name.ts';
import { type ThreadData, threadData } from './thread.ts';
import type { DatabaseAccess } from './worker.ts';

/** A worker that wants to take chunks of a run. */
export interface Applicant extends DatabaseAccess {
  /** The database takes processes of one host only. */
  readonly oneHost: boolean;
  readonly toolVersion: string;
  /** Asked last: what else is wrong is told first. */
  readonly keys: (run: Run) => RunKeys;
}

/**
 * What the worker's threads are given, once it is sure that they would do the same as the coordinator's own.
 *
 * @throws KeyturnError `other-keys`, `checkpoint-version` for a run of an incompatible keyturn, `other-host`.
 */
export function admit(run: Run, applicant: Applicant): ThreadData {
  assertCompatible(run, applicant.toolVersion);
  if (applicant.oneHost) assertHost(run);
  const keys = applicant.keys(run);
  assertKeys(run, keys.current, keys.next);
  return threadData(applicant, run, keys);
}

/** Versions that may work on the same run: the same major one; before 1.0, the same minor one. */
function assertCompatible(run: Run, toolVersion: string): void {
  if (seriesOf(run.toolVersion) === seriesOf(toolVersion)) return;
  throw new KeyturnError(
    'checkpoint-version',
    `run ${run.id} was started with keyturn ${run.toolVersion}, this is ${toolVersion}`,
    { hint: 'use the version of its coordinator on every worker', facts: { run: run.id } },
  );
}

function seriesOf(version: string): string {
  const [major = '', minor = ''] = version.split('.');
  return major === '0' ? `0.${minor}` : major;
}

/** SQLite has no server: a file that several hosts write is soon none. */
function assertHost(run: Run): void {
  const here = hostOf(processName());
  if (run.coordinator === null) return;
  const there = hostOf(run.coordinator);
  if (there === here) return;
  throw new KeyturnError(
    'other-host',
    `run ${run.id} is in an SQLite database of the host ${there}, this is ${here}`,
    { hint: 'SQLite takes workers of the same host only: start them there', facts: { run: run.id } },
  );
}
