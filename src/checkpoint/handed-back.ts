import type { Knex } from 'knex';

/** Chunks that a worker handed back because it does not see their files. They stay open for other workers. */
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

  /** The reason is removed when a worker completes the chunk. */
  async add(chunk: number, code: string, why: string): Promise<void> {
    await this.#open()
      .where({ chunk })
      .update({ error_code: code, error: why.slice(0, 2000) });
  }

  /** The reason of one of them; null: there is none. */
  async why(): Promise<string | null> {
    const row = await this.#open().whereNotNull('error_code').first('error');
    return row?.error ?? null;
  }
}
