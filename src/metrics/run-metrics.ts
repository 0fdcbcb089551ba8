import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ChunkNews } from '../chunk/chunk-news.ts';
import type { Progress } from '../rotation/progress.ts';

const waitReasons = ['pace', 'queue', 'database'] as const;

/**
 * Prometheus metrics of one process. A coordinator counts the whole run from the checkpoint, whichever process did the
 * work (`progress`). A worker counts its own work (`news`). The label `role` distinguishes them. Labels contain no values
 * of the database except names of tables.
 */
export class RunMetrics {
  readonly #registry = new Registry();
  readonly #role: 'coordinator' | 'worker';
  /** The last total of each counter by its labels, because the checkpoint has totals. */
  readonly #counted = new Map<string, number>();
  readonly #rows: Counter<'target' | 'outcome'>;
  readonly #chunks: Counter<'state'>;
  readonly #seconds: Histogram<'state'>;
  readonly #exceptions: Gauge;
  readonly #waiting: Gauge;
  readonly #waitingReason: Gauge<'reason'>;
  readonly #info: Gauge<'run' | 'state'>;
  #look: () => void = () => undefined;

  constructor(role: 'coordinator' | 'worker') {
    this.#role = role;
    const registers = [this.#registry];
    this.#registry.setDefaultLabels({ role });
    this.#rows = new Counter({
      name: 'keyturn_rows_total',
      help: 'rows done, by target and outcome: rotated, verified',
      labelNames: ['target', 'outcome'],
      registers,
    });
    this.#chunks = new Counter({
      name: 'keyturn_chunks_total',
      help: 'chunks by result: rotated, failed; on a worker also verified, retried, nothing',
      labelNames: ['state'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'keyturn_chunk_seconds',
      help: 'duration of the chunks of this process',
      labelNames: ['state'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60],
      registers,
    });
    this.#exceptions = new Gauge({ name: 'keyturn_exceptions', help: 'open exceptions', registers });
    this.#waiting = new Gauge({
      name: 'keyturn_waiting',
      help: '1 while waiting instead of starting chunks',
      registers,
    });
    this.#waitingReason = new Gauge({
      name: 'keyturn_waiting_reason',
      help: '1 for the reason for waiting: pace (a window or a throttle), queue (unreachable, no worker, no run), database (unreachable)',
      labelNames: ['reason'],
      registers,
    });
    this.#info = new Gauge({
      name: 'keyturn_run_info',
      help: 'the run and its state',
      labelNames: ['run', 'state'],
      registers,
    });
    this.waits(null);
  }

  /** For a coordinator: the progress of the run. */
  progress({ run, totals, exceptions, waitingFor }: Progress): void {
    this.shows(run);
    this.waits(waitingFor);
    this.#exceptions.set(exceptions);
    let rotated = 0;
    let failed = 0;
    for (const [target, { ranges, sweeps }] of totals) {
      this.#raise(this.#rows, { target, outcome: 'rotated' }, ranges?.tally.rows ?? 0);
      this.#raise(this.#rows, { target, outcome: 'verified' }, ranges?.verification.rows ?? 0);
      for (const part of [ranges, sweeps]) {
        rotated += (part?.chunks ?? 0) - (part?.open ?? 0) - (part?.failed ?? 0);
        failed += part?.failed ?? 0;
      }
    }
    this.#raise(this.#chunks, { state: 'rotated' }, rotated);
    this.#raise(this.#chunks, { state: 'failed' }, failed);
  }

  /** A chunk of a thread of this process. */
  news({ event, target, rows, ms }: ChunkNews): void {
    const done = event === 'rotated' || event === 'verified';
    if (done) this.#seconds.observe({ state: event }, ms / 1000);
    if (this.#role === 'coordinator') return;
    this.#chunks.inc({ state: event });
    if (done && target !== null) this.#rows.inc({ target, outcome: event }, rows);
  }

  shows(run: { readonly id: string; readonly state: string } | null): void {
    this.#info.reset();
    if (run !== null) this.#info.set({ run: run.id, state: run.state }, 1);
  }

  waits(reason: Progress['waitingFor']): void {
    this.#waiting.set(reason === null ? 0 : 1);
    for (const each of waitReasons) this.#waitingReason.set({ reason: each }, each === reason ? 1 : 0);
  }

  /** Sets a function that updates metrics before each scrape. */
  before(look: () => void): void {
    this.#look = look;
  }

  async text(): Promise<string> {
    this.#look();
    return this.#registry.metrics();
  }

  /** The content type of the Prometheus format. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** If a total falls (a new scan, chunks planned again), counting continues from there. */
  #raise<T extends string>(counter: Counter<T>, labels: Record<T, string>, total: number): void {
    const name = `${counter === (this.#rows as unknown) ? 'rows' : 'chunks'} ${Object.values(labels).join(' ')}`;
    const before = this.#counted.get(name) ?? 0;
    this.#counted.set(name, total);
    counter.inc(labels, Math.max(0, total - before));
  }
}
