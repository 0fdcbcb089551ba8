import type { Progress } from '../rotation/progress.ts';
import { type ProgressView, stageOf, targetsOf } from './progress-view.ts';
import { duration, Speed } from './speed.ts';

const everyMs = 10_000;

/**
 * Without a terminal: a line every ten seconds, and one when the state or the reason for waiting changes. The keys and
 * their order are always the same.
 */
export class ProgressLines implements ProgressView {
  readonly #say: (line: string) => void;
  readonly #speed = new Speed();
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
    const speed = this.#speed.measure(stage, done, total);
    const now = performance.now();
    const { waiting } = progress.run;
    if (stage === this.#stage && waiting === this.#waiting && now - this.#last < everyMs) return;
    this.#stage = stage;
    this.#waiting = waiting;
    this.#last = now;
    const target = targets.find((each) => each.done < each.total)?.target ?? '-';
    this.#say(
      `run=${progress.run.id} state=${stage} round=${progress.run.round} target=${target} done=${done} total=${total} ` +
        `rows_per_s=${speed?.perSecond ?? '-'} eta=${speed === null ? '-' : duration(speed.secondsLeft)} ` +
        `waiting=${waiting === null ? '-' : JSON.stringify(waiting)}`,
    );
  }

  close(): void {
    // Nothing to clear.
  }
}
