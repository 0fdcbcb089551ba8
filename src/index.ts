/**
 * The library: the functions that the commands are built on, without their options, questions and output.
 * docs/library.md shows a rotation. Until version 1.0 any minor version may change it.
 */

import { availableParallelism } from 'node:os';
import { openDatabase } from './databases/open.ts';
import { toolVersion, workerEntry } from './installation.ts';
import type { Site } from './rotation/site.ts';

export { readHistory, retiredKeyIds, runNamed, unfinishedRun } from './checkpoint/history.ts';
export type { Authority, Run, RunKeys, RunOptions, RunState } from './checkpoint/run.ts';
export { defaultOptions } from './checkpoint/run.ts';
export type { Database, RunLock, Table } from './databases/database.ts';
export { type ErrorCode, KeyturnError } from './error.ts';
export { formatNames } from './formats/registry.ts';
export { type Estimate, type EstimateOrder, estimate } from './inventory/estimate.ts';
export { ApplicationEnvironment } from './inventory/keys/application-environment.ts';
export { type DerivedContext, derivedContext } from './inventory/keys/derived-secrets.ts';
export { type Preflight, preflight } from './inventory/preflight.ts';
export type { Job } from './job/job.ts';
export { builtInJobs, type LoadedJob, loadJob } from './job/load.ts';
export { type ResolveOptions, resolveJob } from './job/resolve.ts';
export { Key } from './keys/key.ts';
export { readKeyFile } from './keys/key-file.ts';
export type { KeyShape } from './keys/key-shape.ts';
export { parseKey } from './keys/key-text.ts';
export { type NewKeyPlan, type NewKeySources, newKey } from './keys/master-key.ts';
export { buildReport, type Report } from './report/report.ts';
export { readStanding, type Standing } from './report/standing.ts';
export { statusText } from './report/status.ts';
export { reportText } from './report/text.ts';
export { writeReport } from './report/write.ts';
export {
  type BeginStep,
  beginRun,
  type KeptKeys,
  type NewRotation,
  resumeRun,
} from './rotation/begin-run.ts';
export { finishRun, retryExceptions } from './rotation/finish-run.ts';
export { type LocalRun, type Reading, rehearse, verifyDatabase } from './rotation/local-run.ts';
export { type Pace, paceOf } from './rotation/pace/pace.ts';
export { parseThrottle, ThrottlePace } from './rotation/pace/throttle.ts';
export { DurationPace, parseWindow, WindowPace } from './rotation/pace/window.ts';
export type { Progress } from './rotation/progress.ts';
export type { Site } from './rotation/site.ts';
export { isCoordinated, type Steered, steer } from './rotation/steering.ts';

/**
 * Opens a database and says how to work on it. Close `site.database` at the end.
 *
 * @param changes replace the defaults: one worker thread per core, no password, no files, no limit of pace.
 */
export async function openSite(
  url: string,
  changes: Partial<Omit<Site, 'database' | 'databaseUrl'>> = {},
): Promise<Site> {
  const { databasePassword: password = null } = changes;
  return {
    database: await openDatabase(url, {
      applicationName: 'keyturn',
      ...(password !== null && { password }),
    }),
    databaseUrl: url,
    databasePassword: password,
    attachments: null,
    workers: availableParallelism(),
    workerEntry,
    signal: new AbortController().signal,
    progress: () => undefined,
    toolVersion: toolVersion(),
    ...changes,
  };
}
