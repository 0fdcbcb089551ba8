import type { Knex } from 'knex';

/** Chunks that a worker could not do anything with, for others to take: they stay open, and why is told with them. */
export class HandedBack {
  readonly #knex: Knex;
  readonly #run: string;

  constructor(knex: Knex, run: string) {
    this.#knex = knex;
    this.#run = run;
  }

  #open(): Knex.QueryBuilder {
    return this.#knex('keyturn_chunk')
      .where({ run: this.#run })
      .whereIn('state', ['planned', 'rotated', 'verified']);
  }

  /** Forgotten when somebody completes it. */
  async add(chunk: number, code: string, why: string): Promise<void> {
    await this.#open()
      .where({ chunk })
      .update({ error_code: code, error: why.slice(0, 2000) });
  }

  /** Of one of them; null: there is none. */
  async why(): Promise<string | null> {
    const row = await this.#open().whereNotNull('error_code').first('error');
    return row?.error ?? null;
  }
}
