import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Progress } from '../rotation/coordinator.ts';
import { duration, Pace } from './pace.ts';
import { type ProgressView, stageOf, targetsOf } from './progress-view.ts';

/** One line per target, on a terminal. */
export class ProgressBars implements ProgressView {
  readonly #lines = new Map<string, { readonly bar: SingleBar; readonly pace: Pace }>();
  readonly #make: () => MultiBar;
  #bars: MultiBar | null = null;

  constructor(stream: NodeJS.WritableStream, unicode: boolean) {
    const options = {
      stream,
      format: '{state} {name} {bar} {value}/{total} {pace}',
      barsize: 24,
      hideCursor: true,
      emptyOnZero: true,
      linewrap: false,
      gracefulExit: false,
    };
    this.#make = () => new MultiBar(options, unicode ? Presets.shades_classic : Presets.legacy);
  }

  update(progress: Progress): void {
    this.#bars ??= this.#make();
    const stage = stageOf(progress);
    const targets = targetsOf(progress);
    const width = Math.max(...targets.map(({ target }) => target.length));
    for (const { target, done, total } of targets) {
      let line = this.#lines.get(target);
      if (line === undefined) {
        line = { bar: this.#bars.create(total, 0, { name: '', state: '', pace: '' }), pace: new Pace() };
        this.#lines.set(target, line);
      }
      const pace = line.pace.measure(stage, done, total);
      const told =
        pace === null || done >= total ? '' : `${pace.perSecond} rows/s, ${duration(pace.secondsLeft)} left`;
      line.bar.setTotal(total);
      line.bar.update(done, {
        name: target.padEnd(width),
        state: stage.padEnd('verifying'.length),
        pace: told,
      });
    }
    this.#bars.update();
  }

  close(): void {
    this.#bars?.stop();
  }
}
