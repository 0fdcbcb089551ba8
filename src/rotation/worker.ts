import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import type { Database } from '../databases/database.ts';
import { openDatabase } from '../databases/open.ts';
import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import { ChunkTable } from './chunk-table.ts';
import { type PreparedTarget, prepareTarget } from './field-values.ts';
import { unpin } from './pin.ts';
import { rotateChunk } from './rotate-chunk.ts';
import type { Run } from './run.ts';
import { RunTable } from './run-table.ts';
import { findKeyring, keyringAfter } from './source-keys.ts';
import { verifyChunk } from './verify-chunk.ts';
import { Contended, type WorkerContext } from './worker-context.ts';

/** Where a worker finds everything; keys are its own, checked against the run by their ids. */
export interface WorkerSettings {
  readonly databaseUrl: string;
  readonly databasePassword: string | null;
  /** A local SQLite file with the checkpoint tables, for runs that must not write; null: they are in the database. */
  readonly checkpointFile: string | null;
  readonly run: string;
  readonly statementTimeoutMs: number | null;
  /** Name for people: host and process. */
  readonly worker: string;
  /** Null for a verification. */
  readonly oldKey: Key | null;
  readonly newKey: Key;
  /** The rotation in the database itself whose digests a verification compares with. */
  readonly referenceRun: string | null;
}

const attempts = 6;

/** Rotates or verifies the chunks that it is told of, as the run's state says. Holds its own connections. */
export class ChunkWorker {
  readonly #context: WorkerContext;
  readonly #runs: RunTable;
  readonly #prepared: ReadonlyMap<string, PreparedTarget>;
  readonly #databases: readonly Database[];

  private constructor(context: WorkerContext, run: Run, databases: readonly Database[]) {
    this.#context = context;
    this.#runs = new RunTable(context.checkpoint);
    this.#prepared = new Map(run.job.targets.map((target) => [target.shape.table, prepareTarget(target)]));
    this.#databases = databases;
  }

  static async open(settings: WorkerSettings): Promise<ChunkWorker> {
    const { databasePassword: password, statementTimeoutMs } = settings;
    const database = await openDatabase(settings.databaseUrl, {
      ...(password !== null && { password }),
      ...(statementTimeoutMs !== null && { statementTimeoutMs }),
    });
    const local =
      settings.checkpointFile === null ? null : await openDatabase(`sqlite:${settings.checkpointFile}`);
    const databases = local === null ? [database] : [database, local];
    try {
      const checkpoint = (local ?? database).knex;
      const run = await new RunTable(checkpoint).get(settings.run);
      const context = contextOf(settings, run, database, checkpoint);
      return new ChunkWorker(context, run, databases);
    } catch (error) {
      await Promise.all(databases.map((each) => each.close()));
      throw error;
    }
  }

  /** Takes one chunk as far as the checkpoint allows. What cannot be mended by trying again marks the chunk failed. */
  async take(chunk: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#takeOnce(chunk);
        return;
      } catch (error) {
        if (this.#context.database.isTimeout(error)) {
          await this.#fail(
            chunk,
            new KeyturnError('chunk-timeout', 'the database did not finish it in time'),
          );
          return;
        }
        const transient = error instanceof Contended || this.#context.database.isTransient(error);
        if (!transient || attempt === attempts) {
          await this.#fail(chunk, error);
          return;
        }
        await sleep(2 ** attempt * 25 * (0.5 + Math.random()));
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#databases.map((database) => database.close()));
  }

  async #takeOnce(chunk: number): Promise<void> {
    const run = await this.#runs.get(this.#context.run);
    if (run.state === 'rotating') await rotateChunk(this.#context, run, this.#prepared, chunk);
    else if (run.state === 'verifying') await verifyChunk(this.#context, run, this.#prepared, chunk);
  }

  async #fail(chunk: number, error: unknown): Promise<void> {
    const { code, text } = describeFailure(error);
    await new ChunkTable(this.#context.checkpoint, this.#context.run).fail(chunk, code, text);
  }
}

function contextOf(settings: WorkerSettings, run: Run, database: Database, checkpoint: Knex): WorkerContext {
  const { oldKey, newKey } = settings;
  const pinned = unpin(run.pinned, newKey, run.id);
  const from = oldKey === null ? null : new Keyring(oldKey, pinned);
  let found: { round: number; ring: Promise<Keyring> } | null = null;
  return {
    database,
    checkpoint,
    run: run.id,
    worker: settings.worker,
    from,
    to: keyringAfter(run.job, from ?? new Keyring(newKey, pinned), newKey),
    verifying: (round) => {
      if (found?.round !== round) {
        const ring = database.catalog().then((catalog) => findKeyring(database, catalog, run.job, newKey));
        found = { round, ring };
      }
      return found.ring;
    },
    reference:
      settings.referenceRun === null ? null : { checkpoint: database.knex, run: settings.referenceRun },
  };
}

/** For the checkpoint and the terminal: long unbroken strings are cut out, for they may be what nobody should see. */
function describeFailure(error: unknown): { code: string; text: string } {
  if (error instanceof KeyturnError) return { code: error.code, text: error.message };
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  const text = (message ?? String(error)).replace(/[A-Za-z0-9+/=_-]{24,}/g, '…');
  return { code: typeof code === 'string' ? code : (name ?? 'Error'), text };
}
