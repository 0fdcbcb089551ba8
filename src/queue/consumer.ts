import { KeyturnError } from '../error.ts';
import { within } from '../within.ts';
import { stopLockRenewal } from './internals.ts';
import {
  answered,
  type JobProcessor,
  type JobStore,
  type Jobs,
  type JobWorker,
  type Opened,
  type StoreOptions,
} from './job-store.ts';
import { openStore } from './open-store.ts';
import type { Hint } from './queue.ts';
import { describeTrouble } from './unreachable.ts';

export interface ConsumeOptions extends StoreOptions {
  /** Hints that are taken at the same time: the number of threads of the thread pool. */
  readonly concurrency: number;
  /** Problems for the log: lost connections, stalled jobs, a hint that could not be taken. */
  readonly onError: (error: Error) => void;
  /** Closes the consumer. */
  readonly signal?: AbortSignal;
  /** How long `close` waits for the hints in hand. */
  readonly graceMs?: number;
  /** After this time, another worker takes the hints of a dead worker; and a worker counts as wedged. */
  readonly lockMs?: number;
  readonly wedgedMs?: number;
}

const defaults = { graceMs: 30_000, lockMs: 20_000, wedgedMs: 30_000 };
/** Gives up on a worker that takes nothing even after this many new connections. */
const mostRevivals = 3;

/**
 * Takes hints from a queue until it is closed: the worker side of BullmqQueue.
 *
 * `take` gets a hint of any run and resolves when its chunk is settled, whatever the result. Pass the `take` of a
 * ThreadPool, so that this thread stays free to renew the locks. When `take` rejects (the database is unreachable, the
 * run is unknown), the hint is dropped, and the coordinator offers the chunk again a second later. The error goes to
 * `onError` and never into the queue.
 *
 * Rejects with `queue-url`, or with `queue-unreachable` within ten seconds. If the queue goes away later, the consumer
 * waits for it.
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
  /** Resolves when it is closed; rejects with `worker-wedged` when it takes no hints even after new connections. */
  readonly ended: Promise<void>;
  readonly #store: JobStore;
  readonly #options: ConsumeOptions & typeof defaults;
  readonly #take: (hint: Hint) => Promise<void>;
  /** A separate connection, because that of the worker can be the one that is stuck. */
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

  /** Hints in hand. */
  get busy(): number {
    return this.#busy;
  }

  /** Why it takes no hints; null: no problem. */
  waiting(): string | null {
    return this.#trouble;
  }

  /** Takes no more hints. Waits for those in hand up to the grace time, then leaves them to other workers. */
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
    await Promise.all([abandon(this.#worker), this.#watch.close()]);
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
    worker.it.on('error', (error) => void this.#onConnectionError(error));
    worker.it.on('stalled', (id) => onError(new Error(`job ${id} stalled: another worker gets it`)));
    worker.it.on('lockRenewalFailed', (ids) =>
      onError(new Error(`cannot renew the locks of ${ids.join(', ')}: other workers may take them too`)),
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
    // BullMQ stores the message in the queue, so it must not be that of another error (invariant 9).
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

  /** Reports the same problem only once. */
  async #onConnectionError(error: Error): Promise<void> {
    if (this.#closed) return;
    const text = `${this.place} is unreachable: ${describeTrouble(error)}`;
    if (text !== this.#trouble) this.#options.onError(new Error(text, { cause: error }));
    this.#trouble = text;
    await this.#store.repair(error).catch(() => undefined);
  }

  /** Detects a BullMQ worker that is alive but stuck: jobs are waiting, it has room, and it has taken none for a while. */
  async #check(): Promise<void> {
    const waiting = await answered(5_000, this.#watch.it.getWaitingCount()).catch((error) =>
      this.#store.repair(error).catch(() => {}),
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
        `chunks are waiting in ${this.place}, but this worker receives none`,
        {
          hint: 'restart the worker; if that does not help, check the queue server',
        },
      );
      this.#end.reject(error);
      await this.close();
      return;
    }
    this.#options.onError(
      new Error(`chunks are waiting in ${this.place}, but this worker receives none: reconnecting`),
    );
    const old = this.#worker;
    this.#worker = this.#start();
    await abandon(old);
  }
}

/** Closes the worker and stops renewing the locks of the hints that it still has in hand. */
async function abandon({ it, close }: Opened<JobWorker>): Promise<void> {
  await close();
  await stopLockRenewal(it);
}

/** A job can only name a chunk. The checkpoint decides what is done with it, whoever has written to the queue. */
function hintOf(data: unknown): Hint {
  const { run, chunk, generation } = (data ?? {}) as Record<string, unknown>;
  if (typeof run !== 'string' || !Number.isSafeInteger(chunk)) throw new Error('the job is not a valid hint');
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
