import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Progress } from '../rotation/coordinator.ts';
import { duration, Pace } from './speed.ts';
import { type ProgressView, stageOf, targetsOf } from './progress-view.ts';

/** One line per target, on a terminal. */
export class ProgressBars implements ProgressView {
  readonly #lines = new Map<string, { readonly bar: SingleBar; readonly pace: Pace }>();
  readonly #make: () => MultiBar;
  #bars: MultiBar | null = null;
  /** Below the targets: why nothing is handed out. */
  #reason: SingleBar | null = null;

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
    // A line of its own: beside a bar, narrow terminals would cut it off
    this.#reason ??= this.#bars.create(0, 0, { text: '' }, { format: '{text}' });
    const { waiting } = progress.run;
    this.#reason.update(0, { text: waiting === null ? '' : `waiting: ${waiting}` });
    this.#bars.update();
  }

  close(): void {
    this.#bars?.stop();
  }
}
