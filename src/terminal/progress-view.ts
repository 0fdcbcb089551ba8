import type { Progress } from '../rotation/progress.ts';

/** Shows the progress of a run. */
export interface ProgressView {
  update(progress: Progress): void;
  close(): void;
}

/** The progress of one target in the current stage. */
export interface TargetProgress {
  readonly target: string;
  readonly done: number;
  readonly total: number;
}

/** Rows that the current stage has finished, per target, in the order of the job. */
export function targetsOf({ run, totals }: Progress): TargetProgress[] {
  return run.job.targets.map(({ name: own, shape }) => {
    const name = own ?? shape.table;
    const ranges = totals.get(name)?.ranges;
    const verifying = run.state === 'verifying' || run.state.startsWith('verified');
    const done = (verifying ? ranges?.verification.rows : ranges?.tally.rows) ?? 0;
    const expected = run.inventory.targets.find(({ target }) => target === name)?.rows ?? 0;
    // Rows may have been added since the inventory.
    return { target: name, done, total: Math.max(expected, done) };
  });
}

/** The current stage in one word. */
export function stageOf({ run }: Progress): string {
  return run.state === 'rotating' && run.round > 0 ? 'sweeping' : run.state;
}
