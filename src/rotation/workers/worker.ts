import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { ChunkTable } from '../../checkpoint/chunk-table.ts';
import { HandedBack } from '../../checkpoint/handed-back.ts';
import { CheckpointMac } from '../../checkpoint/mac.ts';
import { keyringBefore } from '../../checkpoint/pin.ts';
import { assertAuthentic, assertKeys, type Run } from '../../checkpoint/run.ts';
import { RunTable } from '../../checkpoint/run-table.ts';
import type { ChunkDone, ChunkNews } from '../../chunk/chunk-news.ts';
import { rotateChunk } from '../../chunk/rotate-chunk.ts';
import { type PreparedTarget, prepareTarget } from '../../chunk/values/field-values.ts';
import { layerFormats } from '../../chunk/values/layers.ts';
import { verifyChunk } from '../../chunk/verify-chunk.ts';
import { Contended, type WorkerContext } from '../../chunk/worker-context.ts';
import type { Database } from '../../databases/database.ts';
import { openDatabase } from '../../databases/open.ts';
import { KeyturnError, safeMessage } from '../../error.ts';
import { Listings } from '../../files/listings.ts';
import { findKeyring } from '../../inventory/keys/source-keys.ts';
import { type Decision, type Job, type Rules, targetName } from '../../job/job.ts';
import { placeText } from '../../job/place.ts';
import type { Key } from '../../keys/key.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { reasonToWait } from '../regain.ts';
import { keyringsOf } from '../run-keyrings.ts';

/** How this host reaches the database and its files. */
export interface DatabaseAccess {
  readonly databaseUrl: string;
  readonly databasePassword: string | null;
  /** The folder of the encrypted files; null: the job has none, or they are left out. */
  readonly attachments: string | null;
}

/** What a worker needs. Its keys are compared with the ids in the run's row. */
export interface WorkerSettings extends DatabaseAccess {
  /** A local SQLite file with the checkpoint tables, for runs that write nothing; null: they are in the database. */
  readonly checkpointFile: string | null;
  readonly run: string;
  readonly statementTimeoutMs: number | null;
  /** Name for people: host and process id. */
  readonly worker: string;
  /** Null for a verification. */
  readonly oldKey: Key | null;
  readonly newKey: Key;
  /** The rotation in the database whose digests a verification compares with. */
  readonly referenceRun: string | null;
}

const attempts = 6;

type NewsListener = (news: ChunkNews) => void;

/** Rotates or verifies chunks, according to the state of the run. Has its own connections. */
export class ChunkWorker {
  #context: WorkerContext;
  readonly #runs: RunTable;
  #prepared: { readonly of: string; readonly targets: ReadonlyMap<string, PreparedTarget> } | null = null;
  readonly #databases: readonly Database[];
  readonly #settings: WorkerSettings;
  /** Content of the run's row that was found to be authentic. */
  #authentic: string | null = null;
  readonly #onNews: NewsListener;

  private constructor(
    settings: WorkerSettings,
    context: WorkerContext,
    databases: readonly Database[],
    onNews: NewsListener,
  ) {
    this.#settings = settings;
    this.#onNews = onNews;
    this.#context = context;
    this.#runs = new RunTable(context.checkpoint);
    this.#databases = databases;
  }

  static async open(settings: WorkerSettings, onNews: NewsListener = () => undefined): Promise<ChunkWorker> {
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
      assertKeys(run, settings.oldKey, settings.newKey);
      const context = await contextOf(settings, run, database, checkpoint);
      assertAuthentic(run, context.mac);
      return new ChunkWorker(settings, context, databases, onNews);
    } catch (error) {
      await Promise.all(databases.map((each) => each.close()));
      throw error;
    }
  }

  /** Takes one chunk as far as the checkpoint allows. If trying again does not help, the chunk is marked as failed. */
  async take(chunk: number): Promise<void> {
    let run: Run | null = null;
    const started = performance.now();
    for (let attempt = 1; ; attempt++) {
      try {
        run = await this.#runs.get(this.#context.run);
        this.#assertAuthentic(run);
        const done = await this.#takeOnce(run, chunk);
        this.#report(chunk, started, done?.event ?? 'nothing', done ?? {});
        return;
      } catch (error) {
        if (error instanceof KeyturnError && error.code === 'attachments-unseen')
          throw await this.#handedBack(chunk, error);
        const failure = await this.#named(this.#failureOf(error, attempt));
        if (failure !== null) {
          await this.#fail(run, chunk, failure);
          const { code } = describeFailure(failure);
          this.#report(chunk, started, 'failed', { code, target: await this.#targetOf(chunk) });
          return;
        }
        const { code } = describeFailure(error);
        this.#report(chunk, started, 'retried', { code, target: await this.#targetOf(chunk) });
        await sleep(2 ** attempt * 25 * (0.5 + Math.random()));
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#databases.map((database) => database.close()));
  }

  /** A command may have changed the run's row since, and added keys. */
  #assertAuthentic(run: Run): void {
    if (this.#authentic === run.content) return;
    assertAuthentic(run, this.#context.mac);
    this.#context = { ...this.#context, ...ringsOf(this.#settings, run) };
    this.#authentic = run.content;
  }

  async #takeOnce(run: Run, chunk: number): Promise<ChunkDone | null> {
    if (run.state === 'rotating') return rotateChunk(this.#context, run, await this.#targets(run), chunk);
    if (run.state === 'verifying') return verifyChunk(this.#context, run, await this.#targets(run), chunk);
    return null;
  }

  /** A resume may add decisions, and tables added during the run become targets: a worker lives longer than both. */
  async #targets({ fence, job }: Run): Promise<ReadonlyMap<string, PreparedTarget>> {
    const of = `${fence} ${job.targets.length}`;
    if (this.#prepared?.of === of) return this.#prepared.targets;
    const rules = job.everywhere && withExclusions(job.everywhere, job.exclude);
    const layers = layerFormats(job);
    const targets = new Map(
      job.targets.map((target) => [targetName(target), prepareTarget(target, rules, layers)]),
    );
    // The worker may have read the catalog before the table was added
    if (this.#prepared !== null) await this.#context.database.catalog();
    this.#prepared = { of, targets };
    return targets;
  }

  /** Another worker must take the chunk, one that sees the files. The reason is stored for the operator. */
  async #handedBack(chunk: number, error: KeyturnError): Promise<KeyturnError> {
    const { checkpoint, run, worker } = this.#context;
    const text = `no worker has the files: ${error.message} (${worker})`;
    await new HandedBack(checkpoint, run).add(chunk, error.code, text);
    return error;
  }

  /** The error that the chunk fails with; null: it should be tried again. */
  #failureOf(error: unknown, attempt: number): unknown {
    const { database } = this.#context;
    if (database.failures.isTimeout(error))
      return new KeyturnError('chunk-timeout', 'the statement timed out');
    const transient = error instanceof Contended || database.failures.isTransient(error);
    return transient && attempt < attempts ? null : error;
  }

  /** A lock that was waited for in vain is told with who holds it. */
  async #named(failure: unknown): Promise<unknown> {
    const { database } = this.#context;
    if (failure === null || !database.failures.isLocked(failure)) return failure;
    return new KeyturnError('table-locked', await reasonToWait(database, failure), { cause: failure });
  }

  /** Null: the database cannot be read now. */
  async #targetOf(chunk: number): Promise<string | null> {
    const { checkpoint, run } = this.#context;
    const found = await new ChunkTable(checkpoint, run, this.#context.mac).find(chunk).catch(() => undefined);
    return found?.target ?? null;
  }

  #report(chunk: number, started: number, event: ChunkNews['event'], more: Partial<ChunkNews>): void {
    const { run, worker } = this.#context;
    const ms = Math.round(performance.now() - started);
    this.#onNews({ target: null, rows: 0, ...more, event, run, chunk, worker, ms });
  }

  /** @param run as it was when the chunk was taken; null: it could not be read, so nothing can be written either. */
  async #fail(run: Run | null, chunk: number, error: unknown): Promise<void> {
    if (run === null) throw error;
    const { code, text } = describeFailure(error);
    await new ChunkTable(this.#context.checkpoint, run.id).fail(run, chunk, code, text);
  }
}

/** An excluded column may be an id column, which is read with every row nevertheless. */
function withExclusions(rules: Rules, exclude: Job['exclude']): Rules {
  const left = exclude.map(
    ({ table, column }): Decision => ({ place: placeText(table, column, ''), as: 'leave' }),
  );
  return { ...rules, decisions: [...rules.decisions, ...left] };
}

async function contextOf(
  settings: WorkerSettings,
  run: Run,
  database: Database,
  checkpoint: Knex,
): Promise<WorkerContext> {
  const { newKey } = settings;
  const { others } = keyringBefore(run, { current: newKey, next: newKey });
  let kept: { stage: string; listings: Listings } | null = null;
  let found: { round: number; ring: Promise<Keyring> } | null = null;
  const reference = await referenceOf(settings.referenceRun, database.knex, newKey);
  const rings = ringsOf(settings, run);
  const stored =
    run.kind === 'verification' ? (reference?.kind === 'rotation' ? newKey : null) : rings.to.stored;
  return {
    database,
    checkpoint,
    run: run.id,
    mac: new CheckpointMac(newKey, run.id),
    attachments: settings.attachments,
    listings: ({ fence, state, round }) => {
      const stage = `${fence} ${state} ${round}`;
      if (kept?.stage !== stage)
        kept = { stage, listings: new Listings(state === 'verifying' ? 'this moment' : 'some moment') };
      return kept.listings;
    },
    worker: settings.worker,
    ...rings,
    verifying: (round) => {
      if (found?.round !== round) {
        const ring = database
          .catalog()
          .then((catalog) =>
            findKeyring(database, catalog, run.job, newKey, run.kind === 'verification' ? others : []),
          )
          .then((all) => (run.job.only === undefined ? all.storing(stored) : all.narrowed(run.job.only)))
          .then((all) => all.after());
        found = { round, ring };
        // A failure is not kept, otherwise every later try would fail too
        ring.catch(() => {
          if (found?.ring === ring) found = null;
        });
      }
      return found.ring;
    },
    reference,
  };
}

/** The keys before and after the run, as its row has them. */
function ringsOf({ oldKey, newKey }: WorkerSettings, run: Run): Pick<WorkerContext, 'from' | 'to'> {
  const { from, to } = keyringsOf(run, { current: oldKey ?? newKey, next: newKey });
  return { from: oldKey === null ? null : from, to };
}

/** A run of an earlier version has no MACs: its digests are used without a check. */
async function referenceOf(
  run: string | null,
  checkpoint: Knex,
  newKey: Key,
): Promise<WorkerContext['reference']> {
  if (run === null) return null;
  const { kind, mac } = await new RunTable(checkpoint).get(run);
  return { run, kind, checkpoint, mac: mac === null ? null : new CheckpointMac(newKey, run) };
}

/** For the checkpoint and the terminal. */
function describeFailure(error: unknown): { code: string; text: string } {
  if (error instanceof KeyturnError) return { code: error.code, text: error.message };
  const { code, name } = error as { code?: unknown; name?: string };
  return { code: typeof code === 'string' ? code : (name ?? 'Error'), text: safeMessage(error) };
}
