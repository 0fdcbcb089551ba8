import type { Knex } from 'knex';
import { tallyColumns, verificationColumns } from './migrations.ts';
import { type Tally, tallyFields } from './tally.ts';
import { type Verification, verificationFields } from './verification.ts';

// biome-ignore lint/suspicious/noExplicitAny: a row as knex returns it, parsed below
type ChunkRow = Record<string, any>;

/** Speed is measured over the last minute. */
const recentMs = 60_000;

export interface ChunkTotals {
  readonly chunks: number;
  readonly open: number;
  readonly failed: number;
  readonly ms: number;
  readonly tally: Tally;
  readonly verification: Verification;
}

export interface TargetTotals {
  readonly phase: number;
  /** The target is completely planned. */
  readonly plannedOut: boolean;
  readonly ranges: ChunkTotals | null;
  readonly sweeps: ChunkTotals | null;
}

/** Sums and speeds over the chunks of one run. */
export class ChunkFigures {
  readonly #knex: Knex;
  readonly #run: string;
  /** Null: not asked yet. */
  #counted: readonly string[] | null = null;

  constructor(knex: Knex, run: string) {
    this.#knex = knex;
    this.#run = run;
  }

  #rows(): Knex.QueryBuilder<ChunkRow> {
    return this.#knex('keyturn_chunk').where({ run: this.#run });
  }

  /** Milliseconds per row in the target's last rotated ranges; null: not known yet. */
  async recentPace(target: string): Promise<number | null> {
    const rows: ChunkRow[] = await this.#rows()
      .where({ target })
      .whereNotNull('rotated_at')
      .where('row_count', '>', 0)
      .orderBy('chunk', 'desc')
      .limit(4)
      .select('ms', 'row_count');
    const count = rows.reduce((sum, row) => sum + row.row_count, 0);
    return count === 0
      ? null
      : Math.max(
          1,
          rows.reduce((sum, row) => sum + row.ms, 0),
        ) / count;
  }

  /** 95th percentile of the milliseconds that the last hundred chunks took; null: no chunk is done yet. */
  async slowMs(): Promise<number | null> {
    const rows: ChunkRow[] = await this.#rows()
      .whereNotNull('rotated_at')
      .where('row_count', '>', 0)
      .orderBy('rotated_at', 'desc')
      .limit(100)
      .select('ms');
    const sorted = rows.map((row): number => row.ms).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.95)] ?? null;
  }

  /** Rows that were rotated, in ranges and sweeps, plus rows that a verification has read. */
  async rowsDone(): Promise<number> {
    const row = await this.#rows().first<{ n: number | string | null }>(
      this.#knex.raw('sum(row_count + v_rows) as n'),
    );
    return Number(row?.n ?? 0);
  }

  /**
   * Rows per second in the last minute, by the times when chunks were committed; null: too few chunks.
   *
   * @param round number of the verification scan; null: the rotation.
   */
  async rowsPerSecond(round: number | null, now: Date): Promise<number | null> {
    const [at, rows] = round === null ? ['rotated_at', 'row_count'] : ['verified_at', 'v_rows'];
    const recent: { at: string; n: number }[] = await this.#rows()
      .whereNotNull(at)
      .where(round === null ? {} : { verified_round: round })
      .orderBy(at, 'desc')
      .limit(200)
      .select({ at, n: rows });
    const timed = recent
      .map((chunk) => ({ time: Date.parse(chunk.at), n: chunk.n }))
      .filter(({ time }) => time > now.getTime() - recentMs);
    const first = timed.at(-1)?.time;
    if (first === undefined) return null;
    const ms = Math.max(now.getTime(), timed[0]?.time ?? 0) - first;
    // The time starts when the first chunk was committed: its rows were done before
    const done = timed.reduce((sum, { time, n }) => sum + (time > first ? n : 0), 0);
    return ms <= 0 || done === 0 ? null : (done * 1000) / ms;
  }

  /** When how many rows were committed, of all chunks, in no order. */
  async commits(): Promise<{ time: number; rows: number; of: 'rotated' | 'verified' }[]> {
    const chunks: ChunkRow[] = await this.#rows().select('rotated_at', 'row_count', 'verified_at', 'v_rows');
    return chunks.flatMap(({ rotated_at, row_count, verified_at, v_rows }) => [
      ...(rotated_at === null
        ? []
        : [{ time: Date.parse(rotated_at), rows: row_count, of: 'rotated' as const }]),
      ...(verified_at === null
        ? []
        : [{ time: Date.parse(verified_at), rows: v_rows, of: 'verified' as const }]),
    ]);
  }

  /** Chunks that were tried more than once, that were split, and that failed. */
  async mishaps(): Promise<{ retried: number; split: number; failed: number }> {
    const count = (condition: string): Knex.Raw =>
      this.#knex.raw(`sum(case when ${condition} then 1 else 0 end)`);
    const row = await this.#rows().first({
      retried: count("attempts > 1 and state <> 'split'"),
      split: count("state = 'split'"),
      failed: count("state = 'failed'"),
    });
    return { retried: Number(row?.retried), split: Number(row?.split), failed: Number(row?.failed) };
  }

  /** The workers of this run, and when each last committed a chunk. */
  async workers(): Promise<{ worker: string; chunks: number; lastAt: string }[]> {
    const rows: ChunkRow[] = await this.#rows()
      .whereNotNull('worker')
      .groupBy('worker')
      .orderBy('worker')
      .select('worker')
      .select(this.#knex.raw('count(*) as chunks, max(coalesce(verified_at, rotated_at)) as last_at'));
    return rows.map((row) => ({ worker: row.worker, chunks: Number(row.chunks), lastAt: row.last_at }));
  }

  /** Totals per target. `sweeps` are separate, because they count rows a second time. */
  async totals(): Promise<Map<string, TargetTotals>> {
    this.#counted ??= await countedColumns(this.#knex);
    const sums = this.#counted.map((column) => this.#knex.raw('sum(??) as ??', [column, column]));
    const rows: ChunkRow[] = await this.#rows()
      .whereNot('state', 'split')
      .groupBy('target', this.#knex.raw('case when row_ids is null then 0 else 1 end'))
      .select('target', this.#knex.raw('case when row_ids is null then 0 else 1 end as sweep'))
      .select(this.#knex.raw('count(*) as chunks, sum(ms) as ms, min(phase) as phase'))
      // Quoted, because it is a reserved word of SQL Server
      .select(this.#knex.raw("sum(case when state = 'planned' then 1 else 0 end) as ??", ['open']))
      .select(this.#knex.raw("sum(case when state = 'failed' then 1 else 0 end) as failed"))
      .select(
        this.#knex.raw('sum(case when row_ids is null and up_to is null then 1 else 0 end) as planned_out'),
      )
      .select(sums);
    const totals = new Map<string, TargetTotals>();
    for (const row of rows) {
      const part: ChunkTotals = {
        chunks: Number(row.chunks),
        open: Number(row.open),
        failed: Number(row.failed),
        ms: Number(row.ms),
        tally: Object.fromEntries(
          tallyFields.map((name, i) => [name, Number(row[tallyColumns[i] ?? ''] ?? 0)]),
        ) as unknown as Tally,
        verification: Object.fromEntries(
          verificationFields.map((name, i) => [name, Number(row[verificationColumns[i] ?? ''])]),
        ) as unknown as Verification,
      };
      const held = totals.get(row.target) ?? {
        phase: Number(row.phase),
        plannedOut: false,
        ranges: null,
        sweeps: null,
      };
      totals.set(row.target, {
        ...held,
        plannedOut: held.plannedOut || Number(row.planned_out) > 0,
        ...(Number(row.sweep) === 0 ? { ranges: part } : { sweeps: part }),
      });
    }
    return totals;
  }
}

/** The columns of keyturn_chunk to sum. `status` and `report` also read finished runs in tables of an older version. */
async function countedColumns(knex: Knex): Promise<readonly string[]> {
  const all = [...tallyColumns, ...verificationColumns];
  const nested = await knex.schema.hasColumn('keyturn_chunk', 'nested');
  return nested ? all : all.filter((column) => column !== 'nested');
}
