import { Worker } from 'node:worker_threads';
import { type ErrorCode, KeyturnError } from '../error.ts';
import type { Hint } from './queue.ts';

/** An error as a worker thread sends it. */
export interface SentError {
  readonly message: string;
  /** Only for a KeyturnError. */
  readonly code?: ErrorCode;
  readonly hint?: string;
  readonly facts?: Readonly<Record<string, string | number>>;
  /** The database cannot be reached at the moment. */
  readonly lost?: true;
}

/** What a worker thread sends: one message when it is ready, then one per hint, and news that are passed on unread. */
export type FromThread =
  | { readonly ready: true }
  | { readonly settled: number }
  /** The hint needs another worker: this one cannot rotate the chunk. */
  | { readonly handedBack: SentError }
  | { readonly news: object }
  /** Sent again and again: the thread is at work, or waits for its database. */
  | { readonly alive: true }
  | { readonly broken: SentError };

/**
 * Sends what is reported to the user. The cause stays in the thread.
 *
 * @param lost the database cannot be reached at the moment, and the run should wait for it.
 */
export function sendError(error: unknown, lost = false): SentError {
  const awaited = lost ? ({ lost } as const) : {};
  if (!(error instanceof KeyturnError))
    return { message: error instanceof Error ? error.message : String(error), ...awaited };
  const { message, code, hint, facts } = error;
  return { message, code, facts, ...(hint === undefined ? {} : { hint }), ...awaited };
}

function receiveError({ message, code, hint, facts, lost }: SentError): Error {
  // Every engine knows these words
  const cause = lost ? new Error('Connection terminated: a worker thread lost the database') : undefined;
  if (code === undefined) return new Error(message, { cause });
  return new KeyturnError(code, message, {
    cause,
    ...(hint === undefined ? {} : { hint }),
    ...(facts === undefined ? {} : { facts }),
  });
}

/** Twice the default of V8: the objects of a slice of rows die young, which saves a twelfth of the time (bench/workers.mjs). */
const maxYoungGenerationSizeMb = 96;

/** Receives the news of the threads. */
export type NewsListener = (news: object) => void;

interface Task {
  readonly hint: Hint;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  worker: Worker;
  task: Task | null;
  /** When it last said anything. */
  heardAt: number;
}

/** How often a thread says that it is alive. */
export const aliveMs = 2_000;
/** A thread that computes for longer without a word will never return: values are taken in small slices. */
const longestSilenceMs = 120_000;

interface PoolOptions {
  readonly onNews?: NewsListener;
  /** How long a thread with a hint may be silent. */
  readonly silenceMs?: number;
}

/**
 * Worker threads of this process. Each works on one chunk at a time. They keep the event loop of the main thread free to
 * renew the locks of queue jobs. A thread that never returns is replaced, and its hint counts as settled: whoever offered it
 * sees that the chunk is not done. If a thread breaks, the pool is broken.
 */
export class ThreadPool {
  readonly #threads: readonly Thread[];
  readonly #start: () => Worker;
  readonly #watch: NodeJS.Timeout;
  readonly #queued: Task[] = [];
  readonly #onNews: NewsListener;
  #broken: Error | null = null;
  #closing = false;

  private constructor(workers: readonly Worker[], start: () => Worker, options: PoolOptions) {
    const { onNews = () => undefined, silenceMs = longestSilenceMs } = options;
    this.#onNews = onNews;
    this.#start = start;
    this.#threads = workers.map((worker) => ({ worker, task: null, heardAt: performance.now() }));
    for (const thread of this.#threads) this.#listen(thread, thread.worker);
    this.#watch = setInterval(() => this.#replaceSilent(silenceMs), silenceMs / 10);
    this.#watch.unref();
  }

  /** Starts `count` threads that run `entry` with `data`, and waits until all are ready. */
  static async start(
    entry: URL,
    data: unknown,
    count: number,
    options: PoolOptions = {},
  ): Promise<ThreadPool> {
    const limits = { workerData: data, resourceLimits: { maxYoungGenerationSizeMb } };
    const begin = (): Worker => new Worker(entry, limits);
    const workers = Array.from({ length: count }, begin);
    try {
      await Promise.all(workers.map(ready));
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      throw error;
    }
    return new ThreadPool(workers, begin, options);
  }

  get size(): number {
    return this.#threads.length;
  }

  /** Resolves when a thread has settled the hint, whatever the result; rejects when it hands the hint back. Waits while all are busy. */
  async take(hint: Hint): Promise<void> {
    if (this.#broken !== null) throw this.#broken;
    if (this.#closing) throw new Error('the worker threads are stopping');
    await new Promise<void>((resolve, reject) => {
      this.#queued.push({ hint, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends the threads, even in the middle of a chunk: the database rolls it back. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#watch);
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
    this.#rejectAll(new Error('the worker threads have been stopped'));
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.task !== null) continue;
      const task = this.#queued.shift();
      if (task === undefined) return;
      thread.task = task;
      thread.heardAt = performance.now();
      thread.worker.postMessage(task.hint);
    }
  }

  #replaceSilent(silenceMs: number): void {
    for (const thread of this.#threads)
      if (thread.task !== null && performance.now() - thread.heardAt > silenceMs) this.#replace(thread);
  }

  /** Its transaction ends with its connection. */
  #replace(thread: Thread): void {
    const { worker, task } = thread;
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    // Native code that does not return cannot be ended: nobody waits for it
    void worker.terminate();
    const replacement = this.#start();
    this.#listen(thread, replacement);
    ready(replacement).then(
      () => {
        thread.worker = replacement;
        thread.task = null;
        task?.resolve();
        this.#dispatch();
      },
      (error: Error) => this.#break(error),
    );
    thread.heardAt = Number.POSITIVE_INFINITY;
  }

  #listen(thread: Thread, worker: Worker): void {
    worker.on('message', (message: FromThread) => {
      if (thread.worker === worker) thread.heardAt = performance.now();
      if ('broken' in message) this.#break(receiveError(message.broken));
      if ('news' in message) this.#onNews(message.news);
      if (!('settled' in message || 'handedBack' in message)) return;
      const { task } = thread;
      thread.task = null;
      if ('settled' in message) task?.resolve();
      else task?.reject(receiveError(message.handedBack));
      this.#dispatch();
    });
    worker.on('error', (error: Error) => this.#break(error));
    worker.on('exit', () => {
      if (!this.#closing) this.#break(new Error('a worker thread ended unexpectedly'));
    });
  }

  #break(error: Error): void {
    this.#broken ??= error;
    this.#rejectAll(this.#broken);
  }

  #rejectAll(error: Error): void {
    const tasks = [...this.#threads.flatMap(({ task }) => task ?? []), ...this.#queued.splice(0)];
    for (const thread of this.#threads) thread.task = null;
    for (const { reject } of tasks) reject(error);
  }
}

function ready(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message: FromThread) => {
      if ('broken' in message) reject(receiveError(message.broken));
      else resolve();
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('a worker thread ended before it was ready')));
  });
}
