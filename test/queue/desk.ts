import { ThreadPool } from '../../src/queue/thread-pool.ts';

export const hintThread = new URL('./hint-thread.mjs', import.meta.url);

/** Memory that a test shares with its worker threads: how often each chunk was taken, and a gate that holds them. */
export class Desk {
  readonly state = new Int32Array(new SharedArrayBuffer(4 * 1024));

  constructor(gate: 'open' | 'shut' = 'open') {
    if (gate === 'open') this.open();
  }

  open(): void {
    Atomics.store(this.state, 0, 1);
  }

  shut(): void {
    Atomics.store(this.state, 0, 0);
  }

  /** Makes threads exit that have or get a hint. */
  breakThreads(): void {
    Atomics.store(this.state, 0, 2);
  }

  taken(chunk: number): number {
    return Atomics.load(this.state, chunk);
  }

  /** Chunks that were taken at least once. */
  get chunks(): number[] {
    return [...this.state.keys()].filter((chunk) => chunk > 0 && this.taken(chunk) > 0);
  }

  get takes(): number {
    return this.state.slice(1).reduce((sum, n) => sum + n, 0);
  }

  forget(): void {
    this.state.fill(0, 1);
  }

  pool(threads: number): Promise<ThreadPool> {
    return ThreadPool.start(hintThread, { state: this.state }, threads);
  }
}

export async function until(condition: () => boolean | Promise<boolean>, ms = 150_000): Promise<void> {
  const giveUpAt = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`still not so after ${ms} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
