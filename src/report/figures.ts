import type { ChunkTotals, TargetTotals } from '../checkpoint/figures.ts';
import type { Run } from '../checkpoint/run.ts';
import { addTally, emptyTally, type Tally } from '../checkpoint/tally.ts';
import type { Verification } from '../checkpoint/verification.ts';
import type { ChunkAudit } from './chunk-audit.ts';

/** The work of all chunks of one kind. */
export interface Work {
  readonly chunks: number;
  /** Planned, but not done. */
  readonly open: number;
  readonly failed: number;
  /** Working time of all workers. */
  readonly ms: number;
  readonly tally: Tally;
}

/** The result of the last verification scan. */
export interface ScanFigures extends Verification {
  /** The scan has read every range. Until then, numbers of an earlier scan may be included. */
  readonly complete: boolean;
  /** Rows that the last scan has read so far. */
  readonly rowsSoFar: number;
}

/** Whether the numbers are consistent. Null: there is nothing to compare yet. */
export interface Reconciliation {
  /** In every chunk: values = rotated + current + empty + look-alikes + undecided + exceptions. */
  readonly valuesAddUp: boolean;
  /** Chunks in which they do not. */
  readonly unbalancedChunks: number;
  /** Rows rotated (for a verification: rows counted before it) = rows verified. False when rows were added or deleted. */
  readonly rowsEqualVerified: boolean | null;
  /** Rows verified = rows rotated + rows added - rows deleted, and each of them is in one category. */
  readonly rowsAccountedFor: boolean | null;
}

/** The numbers of one target, or of all targets. */
export interface Figures {
  /** Counted before the first change; null: not counted. */
  readonly rowsAtStart: number | null;
  /** All ranges are planned. */
  readonly plannedOut: boolean;
  /** Every row of the target, once. */
  readonly ranges: Work;
  /** Rows that were read again (written with the old key during the run, or retried): never add them to `ranges`. */
  readonly sweeps: Work;
  readonly verification: ScanFigures;
  readonly reconciliation: Reconciliation;
  /** Open exceptions. */
  readonly exceptions: number;
}

export function figuresOf(
  run: Run,
  rowsAtStart: number | null,
  totals: TargetTotals | undefined,
  audit: ChunkAudit,
  exceptions: number,
): Figures {
  const ranges = workOf(totals?.ranges ?? null);
  const sweeps = workOf(totals?.sweeps ?? null);
  const verification: ScanFigures = {
    ...(totals?.ranges?.verification ?? emptyVerification()),
    complete: run.round > 0 && totals?.plannedOut === true && audit.scanned === ranges.chunks,
    rowsSoFar: audit.scannedRows,
  };
  const expected = run.kind === 'verification' ? rowsAtStart : ranges.tally.rows;
  return {
    rowsAtStart,
    plannedOut: totals?.plannedOut === true,
    ranges,
    sweeps,
    verification,
    exceptions,
    reconciliation: {
      valuesAddUp: audit.unbalanced === 0,
      unbalancedChunks: audit.unbalanced,
      rowsEqualVerified: verification.complete && expected !== null ? expected === verification.rows : null,
      rowsAccountedFor: verification.complete ? accountsFor(run, ranges, sweeps, verification) : null,
    },
  };
}

/**
 * A row that was added during the rotation is `new`, or it was swept and has a digest since then. The checkpoint does not
 * record how many of the swept rows were added and how many were only changed, so their number is the tolerance.
 */
function accountsFor(run: Run, ranges: Work, sweeps: Work, found: Verification): boolean {
  if (found.rows !== found.proven + found.new + found.changed + found.late) return false;
  if (run.kind === 'verification') return true;
  const least = ranges.tally.rows - found.gone + found.new;
  return found.rows >= least && found.rows <= least + sweeps.tally.rows + found.late;
}

export function sumFigures(all: readonly Figures[]): Figures {
  const scans = all.map(({ verification }) => verification);
  const checks = all.map(({ reconciliation }) => reconciliation);
  return {
    rowsAtStart: all.reduce<number | null>(
      (sum, { rowsAtStart }) => (sum === null || rowsAtStart === null ? null : sum + rowsAtStart),
      0,
    ),
    plannedOut: all.every(({ plannedOut }) => plannedOut),
    ranges: sumWork(all.map(({ ranges }) => ranges)),
    sweeps: sumWork(all.map(({ sweeps }) => sweeps)),
    verification: {
      ...sumVerification(scans),
      complete: scans.every(({ complete }) => complete),
      rowsSoFar: scans.reduce((sum, { rowsSoFar }) => sum + rowsSoFar, 0),
    },
    reconciliation: {
      valuesAddUp: checks.every(({ valuesAddUp }) => valuesAddUp),
      unbalancedChunks: checks.reduce((sum, { unbalancedChunks }) => sum + unbalancedChunks, 0),
      rowsEqualVerified: conjunction(checks.map(({ rowsEqualVerified }) => rowsEqualVerified)),
      rowsAccountedFor: conjunction(checks.map(({ rowsAccountedFor }) => rowsAccountedFor)),
    },
    exceptions: all.reduce((sum, { exceptions }) => sum + exceptions, 0),
  };
}

/** False if one answer is false; otherwise null if one is unknown. */
function conjunction(answers: readonly (boolean | null)[]): boolean | null {
  if (answers.includes(false)) return false;
  return answers.includes(null) ? null : true;
}

function workOf(totals: ChunkTotals | null): Work {
  if (totals === null) return { chunks: 0, open: 0, failed: 0, ms: 0, tally: emptyTally() };
  const { chunks, open, failed, ms, tally } = totals;
  return { chunks, open, failed, ms, tally };
}

function sumWork(parts: readonly Work[]): Work {
  const tally = emptyTally();
  for (const part of parts) addTally(tally, part.tally);
  const sum = (of: (part: Work) => number): number => parts.reduce((n, part) => n + of(part), 0);
  return {
    chunks: sum((part) => part.chunks),
    open: sum((part) => part.open),
    failed: sum((part) => part.failed),
    ms: sum((part) => part.ms),
    tally,
  };
}

function emptyVerification(): Verification {
  return { rows: 0, values: 0, proven: 0, new: 0, changed: 0, late: 0, gone: 0, exceptions: 0 };
}

function sumVerification(parts: readonly Verification[]): Verification {
  const sum = emptyVerification();
  for (const part of parts) {
    for (const name of Object.keys(sum) as (keyof Verification)[]) sum[name] += part[name];
  }
  return sum;
}
