import type { Knex } from 'knex';
import type { Transaction } from '../databases/database.ts';
import { type ChunkRow, rowIdsOf } from './chunk.ts';
import { ChunkTable } from './chunk-table.ts';
import type { CheckpointMac } from './mac.ts';

/** Chunks of single rows that a verification found under the old key. */
export class Sweeps {
  readonly #knex: Knex;
  readonly #run: string;
  readonly #chunks: ChunkTable;

  constructor(knex: Knex, run: string, mac: CheckpointMac) {
    this.#knex = knex;
    this.#run = run;
    this.#chunks = new ChunkTable(knex, run, mac);
  }

  #rows(trx?: Transaction): Knex.QueryBuilder<ChunkRow> {
    return (trx ?? this.#knex)('keyturn_chunk').where({ run: this.#run });
  }

  /** Plans sweeps of the late rows that were found, and returns their number. */
  async plan(): Promise<number> {
    const rows: ChunkRow[] = await this.#rows()
      .whereNotNull('late')
      .orderBy('chunk')
      .select('chunk', 'target', 'phase', 'late');
    for (const row of rows) {
      const { chunk, target, phase } = row;
      await this.#knex.transaction(async (trx) => {
        await this.#rows(trx).where({ chunk }).update({ late: null });
        const sweep = {
          target,
          phase,
          parent: chunk,
          range: { after: null, upTo: null },
          rowIds: rowIdsOf(this.#run, row, 'late'),
        };
        await this.#chunks.insert([sweep], trx);
      });
    }
    return rows.length;
  }

  /** Sweeps were rotated since the last full scan, so another scan is needed. */
  async hasUnverified(): Promise<boolean> {
    const row = await this.#rows().whereNotNull('row_ids').where({ state: 'rotated' }).first('chunk');
    return row !== undefined;
  }

  async close(round: number): Promise<void> {
    await this.#rows()
      .whereNotNull('row_ids')
      .where({ state: 'rotated' })
      .update({ state: 'verified', verified_round: round, verified_at: new Date().toISOString() });
  }
}
