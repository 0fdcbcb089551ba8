import type { Knex } from 'knex';
import type { Transaction } from '../databases/database.ts';

/** A file before and after its rename, as SHA-256 of the stored content in hex. */
export interface Intent {
  readonly path: string;
  readonly old: string;
  readonly new: string;
  /** The entry in the chunk's packed digests for the new content. */
  readonly digest: Buffer;
}

/**
 * Files that will be renamed, committed before the rename: after a crash the content of a file shows whether it was
 * renamed, never a key. A file that was tried twice has two intents, and either may have been completed.
 */
export class FileIntents {
  readonly #knex: Knex;
  readonly #run: string;

  constructor(knex: Knex, run: string) {
    this.#knex = knex;
    this.#run = run;
  }

  /** Locks the chunk for this transaction without claiming it. False: it is done or failed. */
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

  /** The intents of a chunk that was begun before, by path. */
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

  /** Number of intents of the chunk; another worker may add some at the same time. */
  async count(trx: Transaction, chunk: number): Promise<number> {
    const row = await trx('keyturn_file').where({ run: this.#run, chunk }).count<{ n: number }[]>('* as n');
    return Number(row[0]?.n ?? 0);
  }

  /** After the chunk was completed. */
  async remove(trx: Transaction, chunk: number): Promise<void> {
    await trx('keyturn_file').where({ run: this.#run, chunk }).delete();
  }
}
