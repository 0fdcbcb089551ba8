/** What a program may build on; the command line is built on nothing else. */

export { readHistory, retiredKeyIds, unfinishedRun } from './checkpoint/history.ts';
export {
  type Authority,
  defaultOptions,
  type Run,
  type RunKeys,
  type RunOptions,
  type RunState,
} from './checkpoint/run.ts';
export type { Database, RunLock, Table } from './databases/database.ts';
export { type OpenOptions, openDatabase } from './databases/open.ts';
export { type ErrorCode, KeyturnError } from './error.ts';
export { formatNames } from './formats/registry.ts';
export { type Estimate, type EstimateOrder, estimate } from './inventory/estimate.ts';
export { assertDeclared, type Preflight, preflight } from './inventory/preflight.ts';
export type { Job } from './job/job.ts';
export { builtInJobs, type LoadedJob, loadJob } from './job/load.ts';
export { type ResolveOptions, resolveJob } from './job/resolve.ts';
export { Key } from './keys/key.ts';
export { generateKey, parseKey, readKeyFile, writeKeyFile } from './keys/key-file.ts';
export type { KeyShape } from './keys/key-shape.ts';
export { buildReport, type Report } from './report/report.ts';
export { readStanding, type Standing } from './report/standing.ts';
export { statusText } from './report/status.ts';
export { reportText } from './report/text.ts';
export { writeReport } from './report/write.ts';
export { beginRun, type KeptKeys, type NewRotation, resumeRun } from './rotation/begin-run.ts';
export type { Progress } from './rotation/coordinator.ts';
export { finishRun, retryExceptions } from './rotation/finish-run.ts';
export { type LocalRun, rehearse, verifyDatabase } from './rotation/local-run.ts';
export type { Site } from './rotation/site.ts';
export { isCoordinated, type Steered, steer } from './rotation/steering.ts';
