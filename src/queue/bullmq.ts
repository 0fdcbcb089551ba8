import { isOffline } from './internals.ts';
import {
  answered,
  type JobEvents,
  type JobStore,
  type Jobs,
  type Opened,
  type StoreOptions,
} from './job-store.ts';
import { openStore } from './open-store.ts';
import type { Hint, Queue } from './queue.ts';
import { describeTrouble, unreachable } from './unreachable.ts';
import { WakeUp } from './wake-up.ts';

const slice = 200;
/** A chunk that is still open after this time is offered again: its job may be lost. */
const offerAgainMs = 5_000;
/** The same after a worker has handed the chunk back. */
const retryMs = 1_000;
const countWorkersMs = 5_000;
/** While there is no worker, the next one is noticed sooner. */
const awaitWorkersMs = 500;
const answerMs = 10_000;
/** After this time, draining stops waiting for workers that settle nothing. The state of the run fences their chunks off. */
const drainMs = 60_000;
const unreachableMs = 5_000;
/** To connect and to become ready. */
const openMs = 9_500;
/** A mark in the metadata of the queue. If it is gone, everything else is gone too. */
const mark = 'keyturn';

/** Sends hints through BullMQ on Redis or PostgreSQL to any number of `keyturn worker` processes. */
export class BullmqQueue implements Queue {
  readonly place: string;
  readonly backlog = 100;
  readonly #store: JobStore;
  readonly #jobs: Opened<Jobs>;
  readonly #wakeUp = new WakeUp();
  /** By job id: when the chunk may be offered again. */
  readonly #offered = new Map<string, number>();
  #events: Opened<JobEvents>;
  #trouble: string | null = null;
  #lastError: unknown;
  #workers: number | null = null;
  #workersCounted = Number.NEGATIVE_INFINITY;

  private constructor(store: JobStore) {
    this.place = store.place;
    this.#store = store;
    this.#jobs = store.openJobs();
    this.#jobs.it.on('error', (error) => {
      this.#lastError = error;
    });
    this.#events = this.#listen();
  }

  /** Throws `queue-url`, or `queue-unreachable` within ten seconds. */
  static async open(url: string, options: StoreOptions = {}): Promise<BullmqQueue> {
    const giveUpAt = performance.now() + openMs;
    const queue = new BullmqQueue(await openStore(url, options));
    try {
      await answered(Math.max(1_000, giveUpAt - performance.now()), queue.#jobs.it.waitUntilReady());
    } catch (error) {
      await queue.close();
      throw unreachable(queue.place, queue.#lastError ?? error);
    }
    await queue.#attempt(() => queue.#setMark());
    return queue;
  }

  async offer(hints: readonly Hint[]): Promise<void> {
    const now = performance.now();
    const open = new Map(hints.map((hint) => [jobId(hint), hint]));
    for (const id of this.#offered.keys()) if (!open.has(id)) this.#offered.delete(id);
    const due = [...open].filter(([id]) => now >= (this.#offered.get(id) ?? 0));
    for (let i = 0; i < due.length; i += slice) {
      const part = due.slice(i, i + slice);
      const added = await this.#attempt(() => this.#jobs.it.addBulk(part.map(([id, hint]) => job(id, hint))));
      if (added === undefined) return;
      for (const [id] of part) this.#offered.set(id, now + offerAgainMs);
    }
  }

  async settled(ms: number): Promise<void> {
    const recountMs = this.#workers === 0 ? awaitWorkersMs : countWorkersMs;
    if (performance.now() - this.#workersCounted > recountMs) void this.workers();
    await this.#wakeUp.heard(ms);
  }

  /** How many worker processes take hints now; null: unknown. */
  async workers(): Promise<number | null> {
    this.#workersCounted = performance.now();
    this.#workers = await answered(answerMs, this.#jobs.it.getWorkersCount()).catch(() => null);
    return this.#workers;
  }

  waiting(): string | null {
    if (this.#trouble !== null) return this.#trouble;
    return this.#workers === 0 ? `no worker is taking chunks from ${this.place}` : null;
  }

  async intact(): Promise<boolean> {
    const found = await this.#attempt(() => this.#jobs.it.getBackend().getQueueMetaField(mark));
    if (found !== null) return true;
    await this.#attempt(() => this.#setMark());
    this.#offered.clear();
    const old = this.#events;
    this.#events = this.#listen();
    await old.close();
    return false;
  }

  async drain(): Promise<void> {
    let since = performance.now();
    let last = '';
    for (;;) {
      this.#offered.clear();
      // In every round: the job of a dead worker goes back to waiting.
      const active = await this.#attempt(async () => {
        await this.#jobs.it.drain(true);
        return this.#jobs.it.getRanges(['active']);
      });
      if (active?.length === 0) return;
      const seen = active === undefined ? last : active.sort().join();
      if (seen !== last) since = performance.now();
      last = seen;
      if (performance.now() - since > (active === undefined ? unreachableMs : drainMs)) return;
      if (active !== undefined && (await this.workers()) === 0) return;
      await this.settled(200);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#events.close(), this.#jobs.close()]);
  }

  #listen(): Opened<JobEvents> {
    const events = this.#store.openEvents();
    // Events only wake the coordinator up. The connection of the jobs reports what is unreachable.
    events.it.on('error', () => undefined);
    events.it.on('completed', ({ jobId }) => {
      this.#offered.delete(jobId);
      if (this.#workers === 0) this.#workers = null;
      this.#wakeUp.ring();
    });
    events.it.on('failed', ({ jobId }) => {
      if (this.#offered.has(jobId)) this.#offered.set(jobId, performance.now() + retryMs);
    });
    return events;
  }

  async #setMark(): Promise<void> {
    await this.#jobs.it.getBackend().setQueueMeta({ [mark]: '1' });
  }

  /** Undefined: it failed, and `waiting` returns the reason. */
  async #attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await answered(answerMs, work());
      this.#trouble = null;
      return result;
    } catch (error) {
      const cause = isOffline(error) ? (this.#lastError ?? 'the connection was lost') : error;
      this.#trouble = `${this.place} is unreachable: ${describeTrouble(cause)}`;
      await this.#store.repair(error).catch(() => undefined);
      return undefined;
    }
  }
}

/** Contains a letter and no colon, as BullMQ requires. BullMQ does not add a job whose id it still knows. */
function jobId({ run, chunk, generation }: Hint): string {
  return `${run}-${chunk}-g${generation}`;
}

function job(
  id: string,
  { run, chunk, generation }: Hint,
): { name: string; data: Hint; opts: { jobId: string; removeOnComplete: true; removeOnFail: true } } {
  return {
    name: 'chunk',
    data: { run, chunk, generation },
    opts: { jobId: id, removeOnComplete: true, removeOnFail: true },
  };
}
