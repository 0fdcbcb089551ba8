import type { Knex } from 'knex';
import { z } from 'zod';
import type { Transaction } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { altered, type CheckpointMac } from './mac.ts';
import { readStored } from './stored.ts';

/** Chunks of one run by target. Their number only rises: a chunk is never deleted. */
type Counts = Readonly<Record<string, number>>;

const storedCounts = z.record(z.string(), z.number());

/**
 * How many chunks of each target were planned, in a row of its own with a MAC, written together with the chunks: a chunk
 * that is deleted would otherwise be planned again, and what stands in its rows by then would be taken for the truth. Not
 * in the run's row, which workers hold locked.
 */
export class PlanCount {
  readonly #knex: Knex;
  readonly #mac: CheckpointMac;

  constructor(knex: Knex, mac: CheckpointMac) {
    this.#knex = knex;
    this.#mac = mac;
  }

  #row(trx?: Transaction): Knex.QueryBuilder {
    return (trx ?? this.#knex)('keyturn_plan').where({ run: this.#mac.run });
  }

  async begin(trx: Transaction): Promise<void> {
    await trx('keyturn_plan').insert({ run: this.#mac.run, ...this.#stored({}) });
  }

  /** @throws KeyturnError `checkpoint-altered` */
  async read(trx?: Transaction): Promise<Counts> {
    const { run } = this.#mac;
    const row = await this.#row(trx).first('chunks', 'mac');
    if (!this.#mac.matches(row?.mac ?? null, 'plan', [row?.chunks ?? null]))
      throw altered(run, 'the number of its chunks in keyturn_plan');
    return readStored(storedCounts, row.chunks, { run, table: 'keyturn_plan', column: 'chunks' });
  }

  /** Counts chunks that the transaction inserts. @param known what was read before. @throws KeyturnError `run-lock` */
  async raise(trx: Transaction, known: Counts, targets: readonly string[]): Promise<void> {
    const counts: Record<string, number> = { ...known };
    for (const target of targets) counts[target] = (counts[target] ?? 0) + 1;
    const { mac } = this.#stored(known);
    const written = await this.#row(trx).where({ mac }).update(this.#stored(counts));
    if (Number(written) === 1) return;
    throw new KeyturnError('run-lock', `run ${this.#mac.run} was taken over by another coordinator`, {
      hint: 'keyturn status shows its state',
    });
  }

  #stored(counts: Counts): { readonly chunks: string; readonly mac: string } {
    const chunks = JSON.stringify(counts);
    return { chunks, mac: this.#mac.of('plan', [chunks]) };
  }
}

/** @throws KeyturnError `checkpoint-altered`, which names the target */
export function assertCounted(run: string, planned: Counts, found: ReadonlyMap<string, number>): void {
  for (const target of new Set([...Object.keys(planned), ...found.keys()])) {
    const [expected, is] = [planned[target] ?? 0, found.get(target) ?? 0];
    if (expected !== is)
      throw altered(run, `${target} has ${is} chunk${is === 1 ? '' : 's'}, but ${expected} were planned`);
  }
}
