import type { Knex } from 'knex';
import { ChunkFigures } from '../checkpoint/figures.ts';
import { isFinished, type Request, type Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { type Report, reportOf, type TargetReport } from './report.ts';

/** The progress of one target in the current stage. */
export interface TargetStanding {
  readonly target: string;
  readonly done: number;
  readonly total: number;
  /** 100 only when nothing is left. */
  readonly percent: number;
}

/** The progress of a run, from the checkpoint tables and its lock. */
export interface Standing {
  readonly report: Report;
  /** What the numbers of `targets` count. */
  readonly stage: 'rotated' | 'verified';
  readonly targets: readonly TargetStanding[];
  readonly percent: number;
  /** Null: nothing is running, or it is not known yet. */
  readonly rowsPerSecond: number | null;
  /** For this stage. */
  readonly secondsLeft: number | null;
  /** Whether a coordinator is running; null: unknown. */
  readonly coordinated: boolean | null;
  readonly waiting: string | null;
  readonly requested: Request | null;
  readonly workers: readonly { readonly worker: string; readonly chunks: number; readonly lastAt: string }[];
  readonly chunks: {
    readonly open: number;
    readonly retried: number;
    readonly split: number;
    readonly failed: number;
  };
}

/** @param locked whether the run lock was held just before; a run that is finished by now has no coordinator. */
export async function readStanding(
  checkpoint: Knex,
  runId: string,
  locked: boolean | null,
  now = new Date(),
): Promise<Standing> {
  const figures = new ChunkFigures(checkpoint, runId);
  const run = await new RunTable(checkpoint).get(runId);
  const coordinated = isFinished(run.state) ? false : locked;
  const report = await reportOf(checkpoint, run);
  const { stage, targets, percent } = progressOf(report);
  const working = coordinated !== false && isWorking(run);
  const rate = working ? await figures.rowsPerSecond(stage === 'verified' ? run.round : null, now) : null;
  const left = targets.reduce((sum, { done, total }) => sum + Math.max(0, total - done), 0);
  const { ranges, sweeps } = report.totals;
  return {
    report,
    stage,
    targets,
    percent,
    rowsPerSecond: rate === null ? null : Math.round(rate),
    secondsLeft: rate === null ? null : Math.ceil(left / rate),
    coordinated,
    waiting: working ? run.waiting : null,
    requested: isWorking(run) ? run.requested : null,
    workers: await figures.workers(),
    chunks: { open: ranges.open + sweeps.open, ...(await figures.mishaps()) },
  };
}

/** The progress of the rotation or, once everything is rotated, of the verification. */
export function progressOf(report: Report): Pick<Standing, 'stage' | 'targets' | 'percent'> {
  const rotated = report.run.kind === 'verification' || report.targets.every(isRotated);
  const stage = rotated && report.proof.scans > 0 ? 'verified' : 'rotated';
  const targets = report.targets.map((target) => standingOf(target, stage));
  const done = targets.reduce((sum, target) => sum + target.done, 0);
  const total = targets.reduce((sum, target) => sum + target.total, 0);
  return {
    stage,
    targets,
    percent: percentOf(
      done,
      total,
      targets.every(({ percent }) => percent === 100),
    ),
  };
}

function standingOf(target: TargetReport, stage: Standing['stage']): TargetStanding {
  const { ranges, verification, rowsAtStart } = target;
  const verifying = stage === 'verified';
  const done = verifying ? verification.rowsSoFar : ranges.tally.rows;
  const counted = verifying && ranges.tally.rows > 0 ? ranges.tally.rows : (rowsAtStart ?? 0);
  const complete = verifying ? verification.complete : isRotated(target);
  const total = complete ? done : Math.max(counted, done);
  return { target: target.target, done, total, percent: percentOf(done, total, complete) };
}

/** Rows can be added and deleted during a run, so only a complete stage is 100%, and it always is. */
export function percentOf(done: number, total: number, complete: boolean): number {
  if (complete) return 100;
  return total === 0 ? 0 : Math.min(99, Math.floor((done / total) * 100));
}

export function isRotated({ ranges, plannedOut }: Pick<TargetReport, 'ranges' | 'plannedOut'>): boolean {
  return plannedOut && ranges.open + ranges.failed === 0;
}

function isWorking({ state }: Run): boolean {
  return state === 'planned' || state === 'rotating' || state === 'rotated' || state === 'verifying';
}
