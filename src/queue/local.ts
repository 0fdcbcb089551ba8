import type { Hint, Queue } from './queue.ts';
import { type NewsListener, ThreadPool } from './thread-pool.ts';
import { WakeUp } from './wake-up.ts';

/** Worker threads in this process; no server needed. */
export class LocalQueue implements Queue {
  readonly place: string;
  readonly backlog: number;
  readonly #pool: ThreadPool;
  readonly #wakeUp = new WakeUp();
  /** By chunk number, because one process has one run. */
  readonly #waiting = new Map<number, Hint>();
  readonly #taken = new Set<number>();
  #broken: Error | null = null;

  private constructor(pool: ThreadPool) {
    this.#pool = pool;
    this.place = `${pool.size} worker thread${pool.size === 1 ? '' : 's'}`;
    this.backlog = pool.size * 3;
  }

  /** Starts `count` threads that run `entry` with `data`, and waits until all are ready. */
  static async start(entry: URL, data: unknown, count: number, onNews?: NewsListener): Promise<LocalQueue> {
    return new LocalQueue(await ThreadPool.start(entry, data, count, onNews === undefined ? {} : { onNews }));
  }

  async offer(hints: readonly Hint[]): Promise<void> {
    for (const hint of hints) if (!this.#taken.has(hint.chunk)) this.#waiting.set(hint.chunk, hint);
    this.#dispatch();
  }

  async settled(ms: number): Promise<void> {
    if (this.#broken === null) await this.#wakeUp.heard(ms);
    if (this.#broken !== null) throw this.#broken;
  }

  waiting(): null {
    return null;
  }

  async intact(): Promise<boolean> {
    return true;
  }

  async drain(): Promise<void> {
    this.#waiting.clear();
    while (this.#broken === null && this.#taken.size > 0) await this.settled(1000);
  }

  async close(): Promise<void> {
    this.#waiting.clear();
    await this.#pool.close();
  }

  #dispatch(): void {
    for (const [chunk, hint] of this.#waiting) {
      if (this.#taken.size >= this.#pool.size) return;
      this.#waiting.delete(chunk);
      this.#taken.add(chunk);
      void this.#take(hint);
    }
  }

  async #take(hint: Hint): Promise<void> {
    try {
      await this.#pool.take(hint);
    } catch (error) {
      this.#broken ??= error as Error;
    }
    this.#taken.delete(hint.chunk);
    this.#dispatch();
    this.#wakeUp.ring();
  }
}
