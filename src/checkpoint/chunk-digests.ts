import type { Knex } from 'knex';
import { type ChunkRow, chunkColumns } from './chunk.ts';
import { assertDigests, assertPlan, assertRotated, authenticatedColumns, planColumns } from './chunk-mac.ts';
import type { CheckpointMac } from './mac.ts';

/** The packed digests of the chunks of one run. */
export class ChunkDigests {
  readonly #knex: Knex;
  readonly #run: string;
  readonly #mac: CheckpointMac | null;

  /** @param mac checks what is read; null: the tables are of an older version without MACs, and nothing is checked. */
  constructor(knex: Knex, run: string, mac: CheckpointMac | null) {
    this.#knex = knex;
    this.#run = run;
    this.#mac = mac;
  }

  /** Of a range, without its sweeps. */
  async ofRange(chunk: number): Promise<Buffer[]> {
    const row = await this.#rows().where({ chunk }).whereNull('row_ids').first(this.#columns);
    return row?.digests == null ? [] : [this.#checked(row)];
  }

  /** Of a range and of its sweeps, newer ones later. */
  async of(chunk: number): Promise<Buffer[]> {
    const rows: ChunkRow[] = await this.#rows()
      .where((where) => where.where({ chunk }).orWhere({ parent: chunk }))
      .orderBy('chunk')
      .select(this.#columns);
    return rows.filter(({ rotated_at: at }) => at !== null).map((row) => this.#checked(row));
  }

  /** Of each rotated chunk of a target, one after the other. */
  async *ofTarget(target: string): AsyncGenerator<Buffer> {
    const rotated = this.#rows().where({ target }).whereNotNull('rotated_at');
    const chunks: { readonly chunk: number }[] = await rotated.orderBy('chunk').select('chunk');
    for (const { chunk } of chunks) {
      const row = await this.#rows().where({ chunk }).first(this.#columns);
      if (row !== undefined) yield this.#checked(row);
    }
  }

  #rows(): Knex.QueryBuilder<ChunkRow> {
    return this.#knex('keyturn_chunk').where({ run: this.#run });
  }

  get #columns(): string[] {
    return this.#mac === null
      ? [...chunkColumns, 'rotated_at', 'digests']
      : [...chunkColumns, ...planColumns, ...authenticatedColumns, 'digests'];
  }

  #checked(row: ChunkRow): Buffer {
    if (this.#mac !== null) {
      assertPlan(this.#mac, row);
      assertRotated(this.#mac, row);
      assertDigests(this.#mac, row);
    }
    return row.digests ?? Buffer.alloc(0);
  }
}
