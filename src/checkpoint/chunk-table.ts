import type { Knex } from 'knex';
import type { Range, RowId, Transaction } from '../databases/database.ts';
import {
  type Chunk,
  type ChunkRow,
  type ChunkState,
  chunkColumns,
  chunkOf,
  chunkTimeout,
  type NewChunk,
} from './chunk.ts';
import { assertPlan, digestsMac, planColumns, planMac, rotatedMac, verifiedMac } from './chunk-mac.ts';
import type { CheckpointMac } from './mac.ts';
import { tallyColumns, verificationColumns } from './migrations.ts';
import { PlanCount } from './plan-count.ts';
import type { Run } from './run.ts';
import { holdsRun } from './run-table.ts';
import { type Tally, tallyFields } from './tally.ts';
import { type Verification, verificationFields } from './verification.ts';

/** The checkpoint of one run: a row per chunk, committed together with the chunk's data (invariant 2). */
export class ChunkTable {
  readonly #knex: Knex;
  readonly #run: string;

  readonly #mac: CheckpointMac | null;

  /** @param mac checks what is read, and is needed to plan and complete chunks; null: without the new key, unchecked. */
  constructor(knex: Knex, run: string, mac: CheckpointMac | null = null) {
    this.#knex = knex;
    this.#run = run;
    this.#mac = mac;
  }

  #authority(): CheckpointMac {
    if (this.#mac === null) throw new Error('chunks can only be written with the new key of the run');
    return this.#mac;
  }

  /** Without the columns for MACs if they cannot be checked: tables of an older version do not have them. */
  get #columns(): string[] {
    return this.#mac === null ? chunkColumns : [...chunkColumns, ...planColumns];
  }

  #chunkOf(row: ChunkRow): Chunk {
    if (this.#mac !== null) assertPlan(this.#mac, row);
    return chunkOf(this.#run, row);
  }

  #rows(trx?: Transaction): Knex.QueryBuilder<ChunkRow> {
    return (trx ?? this.#knex)('keyturn_chunk').where({ run: this.#run });
  }

  async find(chunk: number): Promise<Chunk | undefined> {
    const row = await this.#rows().where({ chunk }).first(this.#columns);
    return row === undefined ? undefined : this.#chunkOf(row);
  }

  /** Called by the coordinator only. */
  async insert(chunks: readonly NewChunk[], trx?: Transaction, splitOf: number | null = null): Promise<void> {
    if (chunks.length === 0) return;
    const mac = this.#authority();
    const plan = new PlanCount(this.#knex, mac);
    const counts = await plan.read(trx);
    const last = Object.values(counts).reduce((sum, n) => sum + n, 0);
    const rows = chunks.map((chunk, i) => {
      const row = {
        run: this.#run,
        chunk: last + 1 + i,
        target: chunk.target,
        phase: chunk.phase,
        parent: chunk.parent,
        after: chunk.range.after === null ? null : JSON.stringify(chunk.range.after),
        up_to: chunk.range.upTo === null ? null : JSON.stringify(chunk.range.upTo),
        row_ids: chunk.rowIds === null ? null : JSON.stringify(chunk.rowIds),
        split_of: splitOf,
        state: 'planned',
        generation: 1,
        attempts: 0,
      };
      return { ...row, plan_mac: planMac(mac, row) };
    });
    const targets = chunks.map(({ target }) => target);
    const write = async (within: Transaction): Promise<void> => {
      await plan.raise(within, counts, targets);
      await within('keyturn_chunk').insert(rows);
    };
    await (trx === undefined ? this.#knex.transaction(write) : write(trx));
  }

  /** The last planned range of a target. If its upper end is open, the target is completely planned. */
  async lastRange(target: string): Promise<Range | undefined> {
    const row = await this.#rows()
      .where({ target })
      .whereNull('row_ids')
      .whereNull('split_of')
      .orderByRaw('case when up_to is null then 0 else 1 end')
      .orderBy('chunk', 'desc')
      .first(this.#columns);
    return row === undefined ? undefined : this.#chunkOf(row).range;
  }

  async numbers(filter: { state: ChunkState; phase?: number }, limit: number): Promise<number[]> {
    const rows = await this.#rows().where(filter).orderBy('chunk').limit(limit).select('chunk');
    return rows.map((row: ChunkRow) => row.chunk);
  }

  /** Ranges that this verification scan has not read yet. */
  async unverified(round: number, limit: number): Promise<number[]> {
    const rows = await this.#rows()
      .whereNull('row_ids')
      .where('verified_round', '<', round)
      .whereNotIn('state', ['failed', 'split'])
      .orderBy('chunk')
      .limit(limit)
      .select('chunk');
    return rows.map((row: ChunkRow) => row.chunk);
  }

  /** All ranges in order, read in pages. */
  async *ranges(): AsyncGenerator<Chunk> {
    let after = 0;
    for (;;) {
      const rows: ChunkRow[] = await this.#rows()
        .whereNull('row_ids')
        .whereNot('state', 'split')
        .where('chunk', '>', after)
        .orderBy('chunk')
        .limit(500)
        .select(this.#columns);
      yield* rows.map((row) => this.#chunkOf(row));
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.chunk;
    }
  }

  async failed(): Promise<Chunk | undefined> {
    const row = await this.#rows().where({ state: 'failed' }).orderBy('chunk').first(this.#columns);
    return row === undefined ? undefined : this.#chunkOf(row);
  }

  /** A chunk that timed out and must be split, if it was not rotated: that must not happen twice. */
  async timedOut(): Promise<Chunk | undefined> {
    const row = await this.#rows()
      .where({ state: 'failed', error_code: chunkTimeout })
      .whereNull('rotated_at')
      .orderBy('chunk')
      .first(this.#columns);
    return row === undefined ? undefined : this.#chunkOf(row);
  }

  /** Replaces a chunk by its halves in one transaction, so that every row stays in exactly one chunk. */
  async split(chunk: Chunk, halves: readonly NewChunk[]): Promise<void> {
    await this.#knex.transaction(async (trx) => {
      await this.#rows(trx).where({ chunk: chunk.chunk }).update({ state: 'split' });
      await this.insert(halves, trx, chunk.chunk);
    });
  }

  /** The results of the last scan for these chunks do not count: a resume reads them again. */
  async verifyAgain(which: 'changed' | 'new' | 'gone' | 'all' | { readonly target: string }): Promise<void> {
    const chunks = this.#rows().whereNull('row_ids');
    if (which === 'changed' || which === 'new' || which === 'gone') chunks.where(`v_${which}`, '>', 0);
    else if (which !== 'all') chunks.where(which);
    await chunks.update({ verified_round: 0 });
  }

  /** A resume plans failed chunks again; their number of attempts is kept. */
  async replan(): Promise<void> {
    await this.#rows().where({ state: 'failed' }).whereNull('rotated_at').update(planned);
    await this.#rows()
      .where({ state: 'failed' })
      .whereNotNull('rotated_at')
      .update({ ...planned, state: 'rotated' });
  }

  /**
   * Takes the chunk for this transaction. Its row is locked by the first statement, which writes, so that SQLite takes
   * its write lock at once. False: another worker has done it.
   */
  async claim(trx: Transaction, chunk: number): Promise<boolean> {
    const claimed = await this.#rows(trx).where({ chunk, state: 'planned' }).increment('attempts', 1);
    return Number(claimed) === 1;
  }

  async completeRotation(
    trx: Transaction,
    chunk: number,
    tally: Tally,
    digests: Buffer,
    by: { readonly worker: string; readonly ms: number },
  ): Promise<void> {
    const counts = Object.fromEntries(
      tallyColumns.map((column, i) => [column, tally[tallyFields[i] ?? 'rows']]),
    );
    const mac = this.#authority();
    const digests_mac = digestsMac(mac, chunk, digests);
    await this.#rows(trx)
      .where({ chunk })
      .update({
        ...counts,
        state: 'rotated',
        digests,
        digests_mac,
        rotated_mac: rotatedMac(mac, { chunk, digests_mac, ...counts }),
        ...by,
        rotated_at: new Date().toISOString(),
        error_code: null,
        error: null,
      });
  }

  /** False: another worker has verified it in this round. */
  async claimVerification(trx: Transaction, chunk: number, round: number): Promise<boolean> {
    const claimed = await this.#rows(trx)
      .where({ chunk })
      .where('verified_round', '<', round)
      .update({ verified_round: round });
    return Number(claimed) === 1;
  }

  /** @param late rows that were found under the old key; the coordinator makes a sweep of them. */
  async completeVerification(
    trx: Transaction,
    { chunk, round }: { readonly chunk: number; readonly round: number },
    found: Verification,
    late: readonly RowId[],
    worker: string,
  ): Promise<void> {
    const range = await this.#rows(trx).where({ chunk }).first('rotated_mac');
    const verified = { chunk, verified_round: round, rotated_mac: range?.rotated_mac ?? null };
    const sweeps = await this.#rows(trx)
      .where({ parent: chunk })
      .whereNotNull('row_ids')
      .whereNotNull('rotated_mac')
      .orderBy('chunk')
      .select('rotated_mac');
    const counts = Object.fromEntries(
      verificationColumns.map((column, i) => [column, found[verificationFields[i] ?? 'rows']]),
    );
    await this.#rows(trx)
      .where({ chunk })
      .update({
        ...counts,
        state: 'verified',
        verified_mac: verifiedMac(
          this.#authority(),
          { ...verified, ...counts },
          sweeps.map(({ rotated_mac: mac }: ChunkRow) => mac),
        ),
        late: late.length === 0 ? null : JSON.stringify(late),
        worker,
        verified_at: new Date().toISOString(),
        error_code: null,
        error: null,
      });
  }

  /**
   * Only a chunk that the run still waits for can fail, if the run is as the worker read it: what is done stays done, and
   * a worker of a run that was stopped or taken over changes nothing.
   */
  async fail(run: Run, chunk: number, code: string, text: string): Promise<void> {
    await this.#knex.transaction(async (trx) => {
      if (!(await holdsRun(trx, run, run.state))) return;
      const waited = this.#rows(trx).where({ chunk });
      await (run.state === 'verifying'
        ? waited.whereIn('state', ['planned', 'rotated', 'verified']).where('verified_round', '<', run.round)
        : waited.where({ state: 'planned' })
      )
        .update({ state: 'failed', error_code: code, error: text.slice(0, 2000) })
        .increment('attempts', 1);
    });
  }
}

const planned = { state: 'planned', error_code: null, error: null };
