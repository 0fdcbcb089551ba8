import type { Knex } from 'knex';
import type { Run } from '../checkpoint/run.ts';

/** What the chunks of one target say one by one, and their sums would hide. */
export interface ChunkAudit {
  /** Chunks whose values do not add up; in a sum, two such errors can cancel out. */
  readonly unbalanced: number;
  /** Range chunks that the last verification scan has read, and the rows in them. */
  readonly scanned: number;
  readonly scannedRows: number;
}

export const nothingAudited: ChunkAudit = { unbalanced: 0, scanned: 0, scannedRows: 0 };

/** Per target. */
export async function auditChunks(checkpoint: Knex, run: Run): Promise<Map<string, ChunkAudit>> {
  const sum = 'rotated + current_count + empty_count + look_alikes + undecided + exceptions';
  const inScan = 'row_ids is null and verified_round > 0 and verified_round = ?';
  // biome-ignore lint/suspicious/noExplicitAny: a row as knex gives it, taken apart right below
  const rows: Record<string, any>[] = await checkpoint('keyturn_chunk')
    .where({ run: run.id })
    .groupBy('target')
    .select('target')
    .select(checkpoint.raw(`sum(case when value_count <> ${sum} then 1 else 0 end) as unbalanced`))
    .select(checkpoint.raw(`sum(case when ${inScan} then 1 else 0 end) as scanned`, [run.round]))
    .select(checkpoint.raw(`sum(case when ${inScan} then v_rows else 0 end) as scanned_rows`, [run.round]));
  return new Map(
    rows.map((row) => [
      row.target,
      {
        unbalanced: Number(row.unbalanced),
        scanned: Number(row.scanned),
        scannedRows: Number(row.scanned_rows),
      },
    ]),
  );
}
