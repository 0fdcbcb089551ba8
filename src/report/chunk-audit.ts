import type { Knex } from 'knex';
import type { Run } from '../checkpoint/run.ts';

/** Checks of one target chunk by chunk; errors of two chunks can cancel out in the sums. */
export interface ChunkAudit {
  /** Chunks whose values do not add up. */
  readonly unbalanced: number;
  /** Range chunks that the last verification scan has read, and their rows. */
  readonly scanned: number;
  readonly scannedRows: number;
}

export const nothingAudited: ChunkAudit = { unbalanced: 0, scanned: 0, scannedRows: 0 };

/** The checks by target. */
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
