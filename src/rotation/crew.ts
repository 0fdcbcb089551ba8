import type { ChunkNews } from '../chunk/chunk-news.ts';
import type { Hint } from '../queue/queue.ts';
import { ThreadPool } from '../queue/thread-pool.ts';
import { isForOthers, type ThreadData } from './thread.ts';

/** What the threads of a run are given, once it is known that they may work on it. */
export type Admit = (run: string) => Promise<ThreadData>;

interface Shift {
  readonly run: string;
  readonly pool: Promise<ThreadPool>;
}

/** Worker threads that take hints of one run at a time, started anew for another run and when they broke. */
export class Crew {
  readonly size: number;
  readonly #entry: URL;
  readonly #admit: Admit;
  readonly #news: (news: ChunkNews) => void;
  #shift: Shift | null = null;

  /** @param entry module that a worker thread runs. */
  constructor(entry: URL, size: number, admit: Admit, news: (news: ChunkNews) => void) {
    this.#entry = entry;
    this.size = size;
    this.#admit = admit;
    this.#news = news;
  }

  /** Starts the threads of a run before its first hint; a failure is told at that. */
  prepare(run: string): void {
    this.#shiftOf(run);
  }

  /** Resolves when the chunk is settled; rejects when the run was not admitted or the threads broke. */
  async take(hint: Hint): Promise<void> {
    const shift = this.#shiftOf(hint.run);
    try {
      await (await shift.pool).take(hint);
    } catch (error) {
      if (isForOthers(error)) throw error;
      if (this.#shift === shift) this.#shift = null;
      await endOf(shift);
      throw error;
    }
  }

  /** Ends the threads, in the middle of a chunk if need be: its database rolls it back. */
  async close(): Promise<void> {
    const shift = this.#shift;
    this.#shift = null;
    if (shift !== null) await endOf(shift);
  }

  #shiftOf(run: string): Shift {
    if (this.#shift?.run === run) return this.#shift;
    const before = this.#shift;
    const pool = this.#start(run, before);
    pool.catch(() => undefined);
    this.#shift = { run, pool };
    return this.#shift;
  }

  async #start(run: string, before: Shift | null): Promise<ThreadPool> {
    const data = await this.#admit(run);
    // Two runs of a database are never under way at once: what is left of the other is of no use
    if (before !== null) await endOf(before);
    return ThreadPool.start(this.#entry, data, this.size, (news) => this.#news(news as ChunkNews));
  }
}

async function endOf({ pool }: Shift): Promise<void> {
  const started = await pool.catch(() => null);
  await started?.close();
}
