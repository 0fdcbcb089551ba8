import { setTimeout as sleep } from 'node:timers/promises';
import { type Found, openStore, type Place, type Store } from '../support/n8n/store.ts';

export interface Progress {
  /** Chunks that were rotated and chunks that were verified, in all rounds. */
  readonly steps: number;
  readonly state: unknown;
  readonly waiting: unknown;
}

/** A server that was restarted answers long before this. */
const patienceMs = 30_000;

/** The checkpoint tables of one rotation: of the run that did not exist when this was opened. */
export class Checkpoint {
  readonly #place: Place;
  #store: Store | null = null;
  #before: ReadonlySet<unknown> = new Set();

  private constructor(place: Place) {
    this.#place = place;
  }

  static async open(place: Place): Promise<Checkpoint> {
    const checkpoint = new Checkpoint(place);
    const runs = await checkpoint.#rows('select id from keyturn_run');
    checkpoint.#before = new Set(runs.map(({ id }) => id));
    return checkpoint;
  }

  /** Null when the run does not exist yet. */
  async run(): Promise<Found | null> {
    const runs = await this.#rows('select id, state, waiting from keyturn_run');
    return runs.find(({ id }) => !this.#before.has(id)) ?? null;
  }

  async chunks(): Promise<readonly Found[]> {
    const run = await this.run();
    if (run === null) return [];
    return this.#rows(
      `select run, chunk, generation, state, attempts, row_count, v_rows, v_proven from keyturn_chunk
       where run = ? order by chunk desc`,
      [String(run.id)],
    );
  }

  async progress(): Promise<Progress> {
    const run = await this.run();
    if (run === null) return { steps: 0, state: null, waiting: null };
    const [chunks] = await this.#rows(
      `select sum(case when state = 'planned' then 0 else 1 end) as rotated, sum(verified_round) as verified
       from keyturn_chunk where run = ?`,
      [String(run.id)],
    );
    const steps = Number(chunks?.rotated ?? 0) + Number(chunks?.verified ?? 0);
    return { steps, state: run.state, waiting: run.waiting };
  }

  async close(): Promise<void> {
    const store = this.#store;
    this.#store = null;
    await store?.close().catch(() => undefined);
  }

  /** Reconnects when its own connection was lost with the server. */
  async #rows(sql: string, parameters: readonly string[] = []): Promise<Found[]> {
    const giveUpAt = performance.now() + patienceMs;
    for (;;) {
      try {
        this.#store ??= await openStore(this.#place);
        return await this.#store.rows(sql, parameters);
      } catch (error) {
        // Before the first run keyturn's tables do not exist
        if (/no such table|does(n't| not) exist|Invalid object name/.test(String((error as Error).message)))
          return [];
        await this.close();
        if (performance.now() > giveUpAt) throw error;
        await sleep(50);
      }
    }
  }
}
