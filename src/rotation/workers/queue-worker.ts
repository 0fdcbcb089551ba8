import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isFinished, type Run } from '../../checkpoint/run.ts';
import { RunTable } from '../../checkpoint/run-table.ts';
import { assertVersion, checkpointVersion, readCheckpointVersion } from '../../checkpoint/schema.ts';
import type { ChunkNews } from '../../chunk/chunk-news.ts';
import type { Database } from '../../databases/database.ts';
import { KeyturnError, safeMessage } from '../../error.ts';
import type { InFlight } from '../../in-flight.ts';
import { type Consumer, consume } from '../../queue/consumer.ts';
import type { Hint } from '../../queue/queue.ts';
import { Crew } from './crew.ts';
import { isForOthers, type ThreadData } from './thread.ts';

const lookMs = 1_000;
/** Statements time out long before this. */
const stuckMs = 15 * 60_000;
/** A queue may deliver a hint twice by itself. */
const timesOffered = 3;
/** The queue's message about a hint that was given up; the reason was reported before. */
const notTaken = 'the hint was not taken';

export interface QueueWorkerSettings {
  readonly database: Database;
  readonly queue: { readonly url: string; readonly password: string | null };
  /** Module that a worker thread runs. */
  readonly workerEntry: URL;
  /** Number of chunks at a time, each in a thread. */
  readonly concurrency: number;
  /** How long chunks in progress may take after a request to stop. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
  /** Told what a request to stop has to wait for. */
  readonly inFlight: InFlight;
  readonly exitWhenDone: boolean;
  /** Checks the keys and the other requirements of a run; an error ends the worker. */
  readonly admit: (run: Run) => Promise<ThreadData>;
  readonly news: (news: ChunkNews) => void;
  readonly warn: (text: string) => void;
}

/** Takes chunks of the run of its database until it is asked to stop. The keys are checked before the first chunk. */
export class QueueWorker {
  readonly #with: QueueWorkerSettings;
  readonly #runs: RunTable;
  readonly #crew: Crew;
  readonly #admitted = new Map<string, Promise<ThreadData>>();
  #consumer: Consumer | null = null;
  #run: Run | null = null;
  #refusal: KeyturnError | null = null;
  /** Why the database cannot be read. */
  #trouble: string | null = null;
  /** Why the last chunk was handed back. */
  #unseen: string | null = null;
  #lastWarning = '';
  /** How often hints of runs came that are not in this database. */
  readonly #dropped = new Map<string, number>();
  /** When the chunks in progress were taken. */
  readonly #since = new Set<{ readonly at: number }>();

  private constructor(settings: QueueWorkerSettings) {
    const { database, workerEntry, concurrency, news } = settings;
    this.#with = settings;
    this.#runs = new RunTable(database.knex);
    this.#crew = new Crew(workerEntry, concurrency, (run) => this.#admit(run), news);
  }

  /** Throws `queue-url`, `queue-unreachable`, and what `admit` throws for the unfinished run. */
  static async open(settings: QueueWorkerSettings): Promise<QueueWorker> {
    const worker = new QueueWorker(settings);
    await worker.#look();
    if (worker.#refusal !== null) throw worker.#refusal;
    const { queue, concurrency, graceMs, warn } = settings;
    const options = {
      ...(queue.password !== null && { password: queue.password }),
      concurrency,
      graceMs,
      warn,
      onError: (error: Error) => worker.#warn(error.message),
    };
    try {
      worker.#consumer = await consume(queue.url, options, (hint) => worker.#take(hint));
    } catch (error) {
      await worker.#crew.close();
      throw error;
    }
    return worker;
  }

  /** Name of the queue for people, without a password. */
  get place(): string {
    return this.#consumer?.place ?? '';
  }

  /** The run as last read. */
  get run(): Run | null {
    return this.#run;
  }

  /** Number of chunks in progress. */
  get busy(): number {
    return this.#consumer?.busy ?? 0;
  }

  /** A chunk has been in progress for so long that its thread must be stuck. */
  get stuck(): boolean {
    const now = performance.now();
    return [...this.#since].some(({ at }) => now - at > stuckMs);
  }

  /** Why the worker is idle; null: no reason. */
  waiting(): string | null {
    if (this.#trouble !== null) return this.#trouble;
    if (this.#run === null || isOver(this.#run)) return 'no run to work on';
    return this.#consumer?.waiting() ?? this.#unseen;
  }

  /**
   * Resolves after a request to stop, or with `exitWhenDone` when its run is over. Chunks in progress are finished within
   * the grace time. Throws what `admit` throws, and `worker-wedged`.
   */
  async work(): Promise<void> {
    try {
      const wedged = this.#consumer?.ended.then(() => true) ?? Promise.resolve(false);
      wedged.catch(() => undefined);
      const stopped = aborted(this.#with.signal);
      while (!this.#with.signal.aborted && this.#refusal === null) {
        const over = await Promise.race([this.#look(), stopped]);
        if (over && this.#with.exitWhenDone) break;
        if (await Promise.race([wedged, pause(this.#with.signal)])) break;
      }
    } finally {
      await this.#consumer?.close();
      await this.#crew.close();
    }
    if (this.#refusal !== null) throw this.#refusal;
  }

  /** Finds the run of the database and checks that this worker may work on it. True: its run is over. */
  async #look(): Promise<boolean> {
    try {
      this.#trouble = null;
      if (this.#run !== null) this.#run = (await this.#runs.find(this.#run.id)) ?? null;
      if (this.#run !== null && !isOver(this.#run)) return false;
      const found = await this.#underway();
      if (found === undefined) return this.#run !== null;
      await this.#admit(found.id);
      this.#crew.prepare(found.id);
    } catch (error) {
      if (this.#refusal === null) this.#trouble = `the database does not respond: ${safeMessage(error)}`;
    }
    return false;
  }

  /** A database without keyturn's tables has no run. */
  async #found(id: string): Promise<Run | undefined> {
    const version = await readCheckpointVersion(this.#with.database);
    return version === 0 ? undefined : this.#runs.find(id);
  }

  async #underway(): Promise<Run | undefined> {
    const version = await readCheckpointVersion(this.#with.database);
    // A coordinator is upgrading older tables, or will
    if (version < checkpointVersion) return undefined;
    this.#refuseOn(() => assertVersion(version));
    const run = await this.#runs.unfinished();
    return run !== undefined && !isOver(run) ? run : undefined;
  }

  async #take(hint: Hint): Promise<void> {
    const since = { at: performance.now() };
    this.#since.add(since);
    try {
      if (!this.#admitted.has(hint.run)) {
        const run = await this.#found(hint.run);
        if (run === undefined) throw this.#unknown(hint);
        if (isOver(run)) return;
      }
      await this.#with.inFlight.during(this.#crew.take(hint));
      this.#unseen = null;
    } catch (error) {
      if (isForOthers(error)) this.#unseen = (error as KeyturnError).message;
      throw error instanceof KeyturnError ? error : new Error(safeMessage(error));
    } finally {
      this.#since.delete(since);
    }
  }

  /**
   * A hint that was left behind by a run that was forgotten comes once. One that comes again and again has a coordinator,
   * which works on another database: a worker without a run of its own is in the wrong place.
   */
  #unknown({ run, chunk, generation }: Hint): KeyturnError {
    const { place } = this.#with.database;
    const error = new KeyturnError(
      'run-unknown',
      `${this.place} offers run ${run}, which is not in ${place}`,
      {
        hint: 'use a separate queue for each database',
      },
    );
    const hint = `${run} ${chunk} ${generation}`;
    const times = (this.#dropped.get(hint) ?? 0) + 1;
    this.#dropped.set(hint, times);
    if (times >= timesOffered && (this.#run === null || isOver(this.#run))) this.#refuse(error);
    return error;
  }

  /** Checked once per run; a refusal ends the worker. */
  #admit(id: string): Promise<ThreadData> {
    const known = this.#admitted.get(id);
    if (known !== undefined) return known;
    const admitted = this.#runs.get(id).then(async (run) => {
      const data = await this.#with.admit(run).catch((error: unknown) => {
        this.#refuse(error);
        throw error;
      });
      this.#run = run;
      return data;
    });
    this.#admitted.set(id, admitted);
    admitted.catch(() => this.#admitted.delete(id));
    return admitted;
  }

  #refuseOn(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#refuse(error);
      throw error;
    }
  }

  #refuse(error: unknown): void {
    if (error instanceof KeyturnError) this.#refusal ??= error;
    else this.#warn(safeMessage(error));
  }

  /** A warning that repeats every second is printed once. */
  #warn(text: string): void {
    if (text.endsWith(notTaken)) return;
    const same = text.replace(/\d+/g, '');
    if (same !== this.#lastWarning) this.#with.warn(text);
    this.#lastWarning = same;
  }
}

/** Nothing works on the run any more, unless it is resumed. */
function isOver({ state }: Run): boolean {
  return isFinished(state) || state === 'cancelled';
}

/** What has no end must not keep a worker that is asked to stop. */
async function aborted(signal: AbortSignal): Promise<false> {
  if (!signal.aborted) await once(signal, 'abort');
  return false;
}

async function pause(signal: AbortSignal): Promise<false> {
  await sleep(lookMs, undefined, { signal }).catch(() => undefined);
  return false;
}
