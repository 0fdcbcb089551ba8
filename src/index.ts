/** What a program may build on; the command line is built on nothing else. */
export type { Database, RunLock, Table } from './databases/database.ts';
export { type OpenOptions, openDatabase } from './databases/open.ts';
export { type ErrorCode, KeyturnError } from './error.ts';
export { formatNames } from './formats/registry.ts';
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
export type { Progress } from './rotation/coordinator.ts';
export { type Estimate, type EstimateOrder, estimate } from './rotation/estimate.ts';
export { readHistory, retiredKeyIds, unfinishedRun } from './rotation/history.ts';
export { assertDeclared, type Preflight, preflight } from './rotation/preflight.ts';
export {
  createRun,
  finishRun,
  type LocalRun,
  type Order,
  type RunKeys,
  rehearse,
  retryExceptions,
  type Site,
  verifyDatabase,
} from './rotation/rotation.ts';
export type { Authority, Run, RunOptions, RunState } from './rotation/run.ts';
export { isCoordinated, type Steered, steer } from './rotation/steering.ts';
