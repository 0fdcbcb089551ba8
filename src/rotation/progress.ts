import type { TargetTotals } from '../checkpoint/figures.ts';
import type { Run } from '../checkpoint/run.ts';

/** A run, with what has been done so far. */
export interface Progress {
  readonly run: Run;
  readonly totals: ReadonlyMap<string, TargetTotals>;
  /** Number of open exceptions. */
  readonly exceptions: number;
  /** What the run waits for (the reason is in `run.waiting`); null: it does not wait. */
  readonly waitingFor: 'pace' | 'queue' | 'database' | null;
}
