import type { Progress } from '../rotation/coordinator.ts';

/** Shows where a run stands. */
export interface ProgressView {
  update(progress: Progress): void;
  close(): void;
}

/** How far one target is in what the run does right now. */
export interface TargetProgress {
  readonly target: string;
  readonly done: number;
  readonly total: number;
}

/** Rows that the current stage has been through, per target, in the job's order. */
export function targetsOf({ run, totals }: Progress): TargetProgress[] {
  return run.job.targets.map(({ name: own, shape }) => {
    const name = own ?? shape.table;
    const ranges = totals.get(name)?.ranges;
    const verifying = run.state === 'verifying' || run.state.startsWith('verified');
    const done = (verifying ? ranges?.verification.rows : ranges?.tally.rows) ?? 0;
    const expected = run.inventory.targets.find(({ target }) => target === name)?.rows ?? 0;
    // Rows may have come since the inventory was taken.
    return { target: name, done, total: Math.max(expected, done) };
  });
}

/** What the run does, in one word. */
export function stageOf({ run }: Progress): string {
  return run.state === 'rotating' && run.round > 0 ? 'sweeping' : run.state;
}
