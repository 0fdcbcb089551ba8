import { Worker } from 'node:worker_threads';
import type { Hint, Queue } from './queue.ts';

/** What a worker thread sends back: once when it is ready, then once per hint. */
export type FromThread =
  | { readonly ready: true }
  | { readonly settled: number }
  | { readonly broken: string };

interface Thread {
  readonly worker: Worker;
  busy: Hint | null;
}

/** Worker threads in this process; no server needed. One chunk at a time each. */
export class LocalQueue implements Queue {
  readonly place: string;
  readonly backlog: number;
  readonly #threads: Thread[];
  #waiting: Hint[] = [];
  #wake: (() => void) | null = null;
  #settledSince = false;
  #broken: Error | null = null;
  #closing = false;

  private constructor(threads: Thread[]) {
    this.#threads = threads;
    this.place = `${threads.length} worker thread${threads.length === 1 ? '' : 's'}`;
    this.backlog = threads.length * 3;
    for (const thread of threads) this.#listen(thread);
  }

  /** Starts `count` threads of `entry`, each with `data`, and waits until all are ready. */
  static async start(entry: URL, data: unknown, count: number): Promise<LocalQueue> {
    const workers = Array.from({ length: count }, () => new Worker(entry, { workerData: data }));
    try {
      await Promise.all(workers.map(ready));
    } catch (error) {
      await Promise.all(workers.map((worker) => worker.terminate()));
      throw error;
    }
    return new LocalQueue(workers.map((worker) => ({ worker, busy: null })));
  }

  async offer(hints: readonly Hint[]): Promise<void> {
    const known = new Set(
      [...this.#waiting, ...this.#threads.flatMap(({ busy }) => busy ?? [])].map(({ chunk }) => chunk),
    );
    this.#waiting.push(...hints.filter(({ chunk }) => !known.has(chunk)));
    this.#dispatch();
  }

  async settled(ms: number): Promise<void> {
    if (!this.#settledSince && this.#broken === null) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#settledSince = false;
    if (this.#broken !== null) throw this.#broken;
  }

  async drain(): Promise<void> {
    this.#waiting = [];
    while (this.#broken === null && this.#threads.some(({ busy }) => busy !== null)) await this.settled(1000);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#threads.map(({ worker }) => worker.terminate()));
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.busy !== null) continue;
      const hint = this.#waiting.shift();
      if (hint === undefined) return;
      thread.busy = hint;
      thread.worker.postMessage(hint);
    }
  }

  #listen(thread: Thread): void {
    thread.worker.on('message', (message: FromThread) => {
      if ('broken' in message) this.#fail(new Error(message.broken));
      if ('settled' in message) {
        thread.busy = null;
        this.#settledSince = true;
        this.#dispatch();
        this.#wake?.();
      }
    });
    thread.worker.on('error', (error: Error) => this.#fail(error));
    thread.worker.on('exit', () => {
      if (!this.#closing) this.#fail(new Error('a worker thread ended unexpectedly'));
    });
  }

  #fail(error: Error): void {
    this.#broken ??= error;
    this.#wake?.();
  }
}

function ready(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', (message: FromThread) => {
      if ('broken' in message) reject(new Error(message.broken));
      else resolve();
    });
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('a worker thread ended before it was ready')));
  });
}
