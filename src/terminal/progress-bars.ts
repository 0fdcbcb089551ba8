import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Progress } from '../rotation/progress.ts';
import { type ProgressView, stageOf, targetsOf } from './progress-view.ts';
import { duration, Speed } from './speed.ts';

/** On a terminal: one line per target. */
export class ProgressBars implements ProgressView {
  readonly #lines = new Map<string, { readonly bar: SingleBar; readonly speed: Speed }>();
  readonly #make: () => MultiBar;
  #bars: MultiBar | null = null;
  /** Below the targets: why the run waits. */
  #reason: SingleBar | null = null;

  constructor(stream: NodeJS.WritableStream, unicode: boolean) {
    const options = {
      stream,
      format: '{state} {name} {bar} {value}/{total} {speed}',
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
        line = { bar: this.#bars.create(total, 0, { name: '', state: '', speed: '' }), speed: new Speed() };
        this.#lines.set(target, line);
      }
      const speed = line.speed.measure(stage, done, total);
      const text =
        speed === null || done >= total
          ? ''
          : `${speed.perSecond} rows/s, ${duration(speed.secondsLeft)} left`;
      line.bar.setTotal(total);
      line.bar.update(done, {
        name: target.padEnd(width),
        state: stage.padEnd('verifying'.length),
        speed: text,
      });
    }
    // On its own line: next to a bar, a narrow terminal would cut it off.
    this.#reason ??= this.#bars.create(0, 0, { text: '' }, { format: '{text}' });
    const { waiting } = progress.run;
    this.#reason.update(0, { text: waiting === null ? '' : `waiting: ${waiting}` });
    this.#bars.update();
  }

  close(): void {
    this.#bars?.stop();
  }
}
