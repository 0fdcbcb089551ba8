import { setTimeout as sleep } from 'node:timers/promises';

const lookMs = 50;

/** Chunks that a request to stop waits for. Nothing else may keep a command from ending. */
export class InFlight {
  #works = 0;

  /** Counts as in flight until `work` has settled. */
  async during<T>(work: Promise<T>): Promise<T> {
    this.#works++;
    try {
      return await work;
    } finally {
      this.#works--;
    }
  }

  /** Resolves when nothing has been in flight for so long. */
  async quietFor(ms: number): Promise<void> {
    for (let quiet = 0; quiet < ms; quiet += lookMs) {
      await sleep(lookMs);
      if (this.#works > 0) quiet = -lookMs;
    }
  }
}
