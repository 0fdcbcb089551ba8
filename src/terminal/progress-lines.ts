import type { Progress } from '../rotation/coordinator.ts';
import { duration, Pace } from './speed.ts';
import { type ProgressView, stageOf, targetsOf } from './progress-view.ts';

const everyMs = 10_000;

/** For logs: one line every ten seconds and one at each change of state or of what it waits for, always with the same keys in the same order. */
export class ProgressLines implements ProgressView {
  readonly #say: (line: string) => void;
  readonly #pace = new Pace();
  #stage = '';
  #waiting: string | null = null;
  #last = 0;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  update(progress: Progress): void {
    const stage = stageOf(progress);
    const targets = targetsOf(progress);
    const done = targets.reduce((sum, target) => sum + target.done, 0);
    const total = targets.reduce((sum, target) => sum + target.total, 0);
    const pace = this.#pace.measure(stage, done, total);
    const now = performance.now();
    const { waiting } = progress.run;
    if (stage === this.#stage && waiting === this.#waiting && now - this.#last < everyMs) return;
    this.#stage = stage;
    this.#waiting = waiting;
    this.#last = now;
    const target = targets.find((each) => each.done < each.total)?.target ?? '-';
    this.#say(
      `run=${progress.run.id} state=${stage} round=${progress.run.round} target=${target} done=${done} total=${total} ` +
        `rows_per_s=${pace?.perSecond ?? '-'} eta=${pace === null ? '-' : duration(pace.secondsLeft)} ` +
        `waiting=${waiting === null ? '-' : JSON.stringify(waiting)}`,
    );
  }

  close(): void {
    // Nothing is left standing on the screen.
  }
}
