import { KeyturnError } from '../error.ts';
import {
  answered,
  type JobProcessor,
  type JobStore,
  type Jobs,
  type JobWorker,
  type Opened,
  type StoreOptions,
  within,
} from './job-store.ts';
import { openStore } from './open-store.ts';
import type { Hint } from './queue.ts';
import { describeTrouble } from './unreachable.ts';

export interface ConsumeOptions extends StoreOptions {
  /** Hints taken at once: as many as the thread pool has threads. */
  readonly concurrency: number;
  /** What goes wrong on the way, for the log: connections, stalled jobs, a hint that could not be taken. */
  readonly onError: (error: Error) => void;
  /** Closes the consumer. */
  readonly signal?: AbortSignal;
  /** How long `close` waits for what is being worked on. */
  readonly graceMs?: number;
  /** After so long the hints of a worker that died are taken by another, and a worker counts as wedged. */
  readonly lockMs?: number;
  readonly wedgedMs?: number;
}

const defaults = { graceMs: 30_000, lockMs: 20_000, wedgedMs: 30_000 };
/** A worker that was made anew so often and still takes nothing is beyond help. */
const mostRevivals = 3;

/**
 * Takes hints from a queue until it is closed: the worker's side of BullmqQueue.
 *
 * `take` gets a hint of any run and resolves when its chunk is settled, whatever came of it; give it a ThreadPool's
 * `take`, so that this thread stays free to renew the locks. When it rejects (its database is out of reach, the run
 * is unknown), the hint is given up: the coordinator offers the chunk again a second later. What it rejects with goes
 * to `onError` and never into the queue.
 *
 * Rejects with `queue-url`, or `queue-unreachable` within ten seconds. A queue that goes away later is waited for.
 */
export async function consume(
  url: string,
  options: ConsumeOptions,
  take: (hint: Hint) => Promise<void>,
): Promise<Consumer> {
  return new Consumer(await openStore(url, options), options, take);
}

export class Consumer {
  readonly place: string;
  /** Resolves when it is closed; rejects with `worker-wedged` when no new connection makes it take hints again. */
  readonly ended: Promise<void>;
  readonly #store: JobStore;
  readonly #options: ConsumeOptions & typeof defaults;
  readonly #take: (hint: Hint) => Promise<void>;
  /** A connection of its own: the worker's may be what is wedged. */
  readonly #watch: Opened<Jobs>;
  readonly #timer: NodeJS.Timeout;
  readonly #end: { resolve: () => void; reject: (error: Error) => void };
  #worker: Opened<JobWorker>;
  #trouble: string | null = null;
  #busy = 0;
  #idleChecks = 0;
  #revivals = 0;
  #closing: Promise<void> | null = null;
  #closed = false;
  #idle: () => void = () => undefined;

  constructor(store: JobStore, options: ConsumeOptions, take: (hint: Hint) => Promise<void>) {
    const { promise, resolve, reject } = withResolvers();
    this.ended = promise;
    this.ended.catch(() => undefined);
    this.#end = { resolve, reject };
    this.place = store.place;
    this.#store = store;
    this.#options = { ...defaults, ...options };
    this.#take = take;
    this.#watch = store.openJobs();
    this.#watch.it.on('error', () => undefined);
    this.#worker = this.#start();
    this.#timer = setInterval(() => void this.#check(), this.#checkMs);
    if (options.signal?.aborted) void this.close();
    else options.signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

  /** Hints being worked on. */
  get busy(): number {
    return this.#busy;
  }

  /** Why it takes nothing; null: nothing hinders. */
  waiting(): string | null {
    return this.#trouble;
  }

  /** Takes no more hints; waits for those in hand within the grace time, then lets go of them: others take them. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    const { it } = this.#worker;
    const finished = it.close();
    const idle = new Promise<void>((resolve) => {
      this.#idle = resolve;
      if (this.#busy === 0) resolve();
    });
    await within(this.#options.graceMs, Promise.race([finished, idle]));
    await Promise.all([letGo(this.#worker), this.#watch.close()]);
    this.#closed = true;
    this.#end.resolve();
  }

  get #checkMs(): number {
    return Math.min(5_000, this.#options.wedgedMs / 3);
  }

  #start(): Opened<JobWorker> {
    const { concurrency, lockMs, onError } = this.#options;
    const worker = this.#store.openWorker(this.#process, {
      concurrency,
      lockDuration: lockMs,
      stalledInterval: Math.min(5_000, lockMs / 2),
      maxStalledCount: 10,
      runRetryDelay: 1_000,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    });
    worker.it.on('error', (error) => void this.#stumble(error));
    worker.it.on('stalled', (id) => onError(new Error(`job ${id} stalled: it is given to a worker again`)));
    worker.it.on('lockRenewalFailed', (ids) =>
      onError(new Error(`the locks of ${ids.join(', ')} could not be renewed: others may take them too`)),
    );
    worker.it.on('failed', (job, error) => onError(new Error(`job ${job?.id ?? ''}: ${error.message}`)));
    return worker;
  }

  readonly #process: JobProcessor = async ({ data }) => {
    this.#trouble = null;
    this.#idleChecks = 0;
    this.#revivals = 0;
    this.#busy++;
    const taken = await this.#settles(data);
    if (--this.#busy === 0) this.#idle();
    // BullMQ stores the text of an error: it is always this one (invariant 9)
    if (!taken) throw new Error('the hint was not taken');
  };

  async #settles(data: unknown): Promise<boolean> {
    try {
      await this.#take(hintOf(data));
      return true;
    } catch (error) {
      this.#options.onError(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  /** The same trouble, again and again, is told once. */
  async #stumble(error: Error): Promise<void> {
    if (this.#closed) return;
    const text = `${this.place} is out of reach: ${describeTrouble(error)}`;
    if (text !== this.#trouble) this.#options.onError(new Error(text, { cause: error }));
    this.#trouble = text;
    await this.#store.mend(error).catch(() => undefined);
  }

  /** Jobs wait, there is room, and for a while none was taken: BullMQ's worker is alive and wedged. */
  async #check(): Promise<void> {
    const waiting = await answered(5_000, this.#watch.it.getWaitingCount()).catch((error) =>
      this.#store.mend(error).catch(() => {}),
    );
    if (this.#closing !== null) return;
    if (waiting !== undefined) this.#trouble = null;
    if (waiting === undefined || waiting === 0 || this.#busy >= this.#options.concurrency) {
      this.#idleChecks = 0;
      return;
    }
    this.#idleChecks++;
    if (this.#idleChecks * this.#checkMs < this.#options.wedgedMs) return;
    this.#idleChecks = 0;
    await this.#revive();
  }

  async #revive(): Promise<void> {
    if (this.#revivals++ >= mostRevivals) {
      const error = new KeyturnError(
        'worker-wedged',
        `chunks wait at ${this.place}, and this worker gets none`,
        {
          hint: 'start the worker again; if that does not help, look at the queue',
        },
      );
      this.#end.reject(error);
      await this.close();
      return;
    }
    this.#options.onError(new Error(`no chunk came from ${this.place} although some wait: connecting anew`));
    const old = this.#worker;
    this.#worker = this.#start();
    await letGo(old);
  }
}

/** What it still has in hand is renewed no longer. */
async function letGo({ it, close }: Opened<JobWorker>): Promise<void> {
  await close();
  // biome-ignore lint/complexity/useLiteralKeys: protected; BullMQ closes it itself only when all else is closed
  await it['lockManager'].close();
}

/** Whoever may write to the queue can only name a chunk: the checkpoint decides what is done to it. */
function hintOf(data: unknown): Hint {
  const { run, chunk, generation } = (data ?? {}) as Record<string, unknown>;
  if (typeof run !== 'string' || !Number.isSafeInteger(chunk)) throw new Error('a job that is no hint');
  return { run, chunk: Number(chunk), generation: Number(generation) };
}

function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve: () => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<void>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}
