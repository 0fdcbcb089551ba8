import type { ChunkTable } from '../checkpoint/chunk-table.ts';

/** Chunks take about a second, and statements time out after a minute by default. */
const quietMs = 60_000;
/** The text is written to the run's row: not at every look. */
const stepMs = 10_000;

/** Notices that no chunk is finished, whoever is connected: progress is what is settled. */
export class Stall {
  readonly #offered = new Map<number, Date>();
  #lastChange = performance.now();

  /** @param open chunks that are offered and not finished */
  offered(open: readonly number[]): void {
    for (const chunk of this.#offered.keys()) {
      if (open.includes(chunk)) continue;
      this.#offered.delete(chunk);
      this.#lastChange = performance.now();
    }
    if (this.#offered.size === 0) this.#lastChange = performance.now();
    for (const chunk of open) if (!this.#offered.has(chunk)) this.#offered.set(chunk, new Date());
  }

  /** Nothing is offered for now, on purpose. */
  rest(): void {
    this.#offered.clear();
    this.#lastChange = performance.now();
  }

  /** A sentence for people; null: chunks are being finished. */
  async reason(chunks: ChunkTable): Promise<string | null> {
    const quiet = performance.now() - this.#lastChange;
    const [oldest] = [...this.#offered].sort(([, a], [, b]) => a.getTime() - b.getTime());
    if (quiet < quietMs || oldest === undefined) return null;
    const [chunk, at] = oldest;
    const target = (await chunks.find(chunk))?.target ?? 'an unknown table';
    const seconds = Math.floor(quiet / stepMs) * (stepMs / 1000);
    return `no chunk finished for ${seconds} s; oldest waiting: chunk ${chunk} of ${target}, offered at ${at.toISOString()}`;
  }
}
