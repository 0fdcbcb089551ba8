import type { ChunkNews } from '../../chunk/chunk-news.ts';
import type { Hint } from '../../queue/queue.ts';
import { ThreadPool } from '../../queue/thread-pool.ts';
import { isForOthers, type ThreadData } from './thread.ts';

/** Returns the data for the threads of a run after checking that they may work on it. */
export type Admit = (run: string) => Promise<ThreadData>;

interface Shift {
  readonly run: string;
  readonly pool: Promise<ThreadPool>;
}

/** Worker threads for the hints of one run at a time. They are restarted for another run, and after they broke. */
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

  /** Starts the threads of a run before its first hint. If that fails, `take` throws the error. */
  prepare(run: string): void {
    this.#shiftOf(run);
  }

  /** Resolves when the chunk is settled; rejects if the run was not admitted or the threads broke. */
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

  /** Ends the threads at once; the database rolls back a chunk in progress. */
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
    // A database has one unfinished run at a time: the threads of the other run are not needed any more
    if (before !== null) await endOf(before);
    return ThreadPool.start(this.#entry, data, this.size, {
      onNews: (news) => this.#news(news as ChunkNews),
    });
  }
}

async function endOf({ pool }: Shift): Promise<void> {
  const started = await pool.catch(() => null);
  await started?.close();
}
