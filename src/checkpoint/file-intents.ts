import type { Knex } from 'knex';
import type { Transaction } from '../databases/database.ts';

/** A file's content now and after its rename, both as hex SHA-256 of what is stored. */
export interface Intent {
  readonly path: string;
  readonly old: string;
  readonly new: string;
  /** The entry of the chunk's packed digests that goes with the new content. */
  readonly digest: Buffer;
}

/**
 * What is about to be renamed, committed before it is: after a crash a file is told by its content, never by a key. A file
 * that was tried twice has two: either may be what became of it.
 */
export class FileIntents {
  readonly #knex: Knex;
  readonly #run: string;

  constructor(knex: Knex, run: string) {
    this.#knex = knex;
    this.#run = run;
  }

  /** Locks the chunk for this transaction, as a claim does, and leaves it to be claimed. False: it is done, or failed. */
  async hold(trx: Transaction, chunk: number): Promise<boolean> {
    const open = trx('keyturn_chunk').where({ run: this.#run, chunk, state: 'planned' });
    return Number(await open.increment('attempts', 0)) === 1;
  }

  async insert(trx: Transaction, chunk: number, intents: readonly Intent[]): Promise<void> {
    for (let i = 0; i < intents.length; i += 100) {
      await trx('keyturn_file').insert(
        intents.slice(i, i + 100).map(({ path, old, new: next, digest }) => ({
          run: this.#run,
          chunk,
          path,
          old_sha256: old,
          new_sha256: next,
          digest: digest.toString('hex'),
        })),
      );
    }
  }

  /** Of a chunk that somebody began, by path. */
  async of(chunk: number): Promise<Map<string, Intent[]>> {
    const found = new Map<string, Intent[]>();
    for (const row of await this.#knex('keyturn_file').where({ run: this.#run, chunk })) {
      const intent = {
        path: row.path,
        old: row.old_sha256,
        new: row.new_sha256,
        digest: Buffer.from(row.digest, 'hex'),
      };
      found.set(row.path, [...(found.get(row.path) ?? []), intent]);
    }
    return found;
  }

  /** How many the chunk has: another worker may be at it too. */
  async count(trx: Transaction, chunk: number): Promise<number> {
    const row = await trx('keyturn_file').where({ run: this.#run, chunk }).count<{ n: number }[]>('* as n');
    return Number(row[0]?.n ?? 0);
  }

  /** The chunk is complete: they have served. */
  async remove(trx: Transaction, chunk: number): Promise<void> {
    await trx('keyturn_file').where({ run: this.#run, chunk }).delete();
  }
}
