import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { HandedBack } from '../checkpoint/handed-back.ts';
import { CheckpointMac } from '../checkpoint/mac.ts';
import { unpin } from '../checkpoint/pin.ts';
import { assertAuthentic, assertKeys, type Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { ChunkDone, ChunkNews } from '../chunk/chunk-news.ts';
import { type PreparedTarget, prepareTarget } from '../chunk/field-values.ts';
import { rotateChunk } from '../chunk/rotate-chunk.ts';
import { verifyChunk } from '../chunk/verify-chunk.ts';
import { Contended, type WorkerContext } from '../chunk/worker-context.ts';
import type { Database } from '../databases/database.ts';
import { openDatabase } from '../databases/open.ts';
import { KeyturnError } from '../error.ts';
import { Listings } from '../files/listings.ts';
import { findKeyring, keyringAfter } from '../inventory/source-keys.ts';
import { type Decision, type Job, type Rules, targetName } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';

/** How the database and its files are reached from this host. */
export interface DatabaseAccess {
  readonly databaseUrl: string;
  readonly databasePassword: string | null;
  /** The folder of the encrypted files; null: the job has none, or they are left out. */
  readonly attachments: string | null;
}

/** Where a worker finds everything; keys are its own, checked against the run by their ids. */
export interface WorkerSettings extends DatabaseAccess {
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

type NewsListener = (news: ChunkNews) => void;

/** Rotates or verifies the chunks that it is told of, as the run's state says. Holds its own connections. */
export class ChunkWorker {
  readonly #context: WorkerContext;
  readonly #runs: RunTable;
  #prepared: { readonly of: string; readonly targets: ReadonlyMap<string, PreparedTarget> } | null = null;
  readonly #databases: readonly Database[];
  /** Content of the run's row that was found authentic. */
  #authentic: string | null = null;
  readonly #onNews: NewsListener;

  private constructor(context: WorkerContext, databases: readonly Database[], onNews: NewsListener) {
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
      return new ChunkWorker(context, databases, onNews);
    } catch (error) {
      await Promise.all(databases.map((each) => each.close()));
      throw error;
    }
  }

  /** Takes one chunk as far as the checkpoint allows. What cannot be mended by trying again marks the chunk failed. */
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
        const failure = this.#failureOf(error, attempt);
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

  /** Whoever steers the run may have written its row anew. */
  #assertAuthentic(run: Run): void {
    if (this.#authentic === run.content) return;
    assertAuthentic(run, this.#context.mac);
    this.#authentic = run.content;
  }

  async #takeOnce(run: Run, chunk: number): Promise<ChunkDone | null> {
    if (run.state === 'rotating') return rotateChunk(this.#context, run, await this.#targets(run), chunk);
    if (run.state === 'verifying') return verifyChunk(this.#context, run, await this.#targets(run), chunk);
    return null;
  }

  /** A resume may settle places, and what came behind the inventory becomes a target: a worker outlives both. */
  async #targets({ fence, job }: Run): Promise<ReadonlyMap<string, PreparedTarget>> {
    const of = `${fence} ${job.targets.length}`;
    if (this.#prepared?.of === of) return this.#prepared.targets;
    const rules = job.everywhere && withExclusions(job.everywhere, job.exclude);
    const targets = new Map(job.targets.map((target) => [targetName(target), prepareTarget(target, rules)]));
    // It may have read the catalog before that table came
    if (this.#prepared !== null) await this.#context.database.catalog();
    this.#prepared = { of, targets };
    return targets;
  }

  /** It is for a worker that sees the files; whoever waits for one is told. */
  async #handedBack(chunk: number, error: KeyturnError): Promise<KeyturnError> {
    const { checkpoint, run, worker } = this.#context;
    const text = `no worker takes ${error.message} (${worker})`;
    await new HandedBack(checkpoint, run).add(chunk, error.code, text);
    return error;
  }

  /** What the chunk fails with; null: it is worth another try. */
  #failureOf(error: unknown, attempt: number): unknown {
    const { database } = this.#context;
    if (database.failures.isTimeout(error))
      return new KeyturnError('chunk-timeout', 'the database did not finish it in time');
    const transient = error instanceof Contended || database.failures.isTransient(error);
    return transient && attempt < attempts ? null : error;
  }

  /** Null: the database does not tell it now. */
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

  /** @param run as it stood when the chunk was taken; null: not even that could be read, so nobody can be told. */
  async #fail(run: Run | null, chunk: number, error: unknown): Promise<void> {
    if (run === null) throw error;
    const { code, text } = describeFailure(error);
    await new ChunkTable(this.#context.checkpoint, run.id).fail(run, chunk, code, text);
  }
}

/** A row id may be excluded, but is read with every row all the same. */
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
  const { oldKey, newKey } = settings;
  const pinned = unpin(run.pinned, newKey, run.id);
  const from = oldKey === null ? null : new Keyring(oldKey, pinned);
  let kept: { stage: string; listings: Listings } | null = null;
  let found: { round: number; ring: Promise<Keyring> } | null = null;
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
    from,
    to: keyringAfter(run.job, from ?? new Keyring(newKey, pinned), newKey),
    verifying: (round) => {
      if (found?.round !== round) {
        const ring = database.catalog().then((catalog) => findKeyring(database, catalog, run.job, newKey));
        found = { round, ring };
        // What failed is asked for again, or every later try would fail with it
        ring.catch(() => {
          if (found?.ring === ring) found = null;
        });
      }
      return found.ring;
    },
    reference:
      settings.referenceRun === null ? null : await referenceOf(settings.referenceRun, database.knex, newKey),
  };
}

/** A run of an earlier version has no MACs: its digests are compared with as they are. */
async function referenceOf(
  run: string,
  checkpoint: Knex,
  newKey: Key,
): Promise<NonNullable<WorkerContext['reference']>> {
  const { mac } = await new RunTable(checkpoint).get(run);
  return { run, checkpoint, mac: mac === null ? null : new CheckpointMac(newKey, run) };
}

/** For the checkpoint and the terminal: long unbroken strings are cut out, for they may be what nobody should see. */
function describeFailure(error: unknown): { code: string; text: string } {
  if (error instanceof KeyturnError) return { code: error.code, text: error.message };
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  const text = (message ?? String(error)).replace(/[A-Za-z0-9+/=_-]{24,}/g, '…');
  return { code: typeof code === 'string' ? code : (name ?? 'Error'), text };
}
