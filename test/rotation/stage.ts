import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ChunkTable } from '../../src/checkpoint/chunk-table.ts';
import { ExceptionTable, type RecordedException } from '../../src/checkpoint/exception-table.ts';
import { ChunkFigures, type TargetTotals } from '../../src/checkpoint/figures.ts';
import { CheckpointMac } from '../../src/checkpoint/mac.ts';
import type { Run, RunKeys, RunOptions } from '../../src/checkpoint/run.ts';
import { RunTable } from '../../src/checkpoint/run-table.ts';
import type { ChunkStep } from '../../src/chunk/chunk-step.ts';
import type { Database, RunLock } from '../../src/databases/database.ts';
import { openDatabase } from '../../src/databases/open.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { type Preflight, preflight } from '../../src/inventory/preflight.ts';
import { assertDeclared } from '../../src/inventory/undeclared.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { Key } from '../../src/keys/key.ts';
import { beginRollback, optionsBack, planRollback } from '../../src/rotation/begin-rollback.ts';
import { beginRun } from '../../src/rotation/begin-run.ts';
import { finishRun, retryExceptions } from '../../src/rotation/finish-run.ts';
import type { Site } from '../../src/rotation/site.ts';
import { ChunkWorker } from '../../src/rotation/workers/worker.ts';
import type { Place } from '../support/n8n/store.ts';

/** What a concurrent writer does right before a step of a chunk: the first list the first time, and so on. */
export interface Meddling {
  readonly step: ChunkStep;
  readonly chunk: number;
  /** Statements in SQL that both engines understand. */
  readonly times: readonly (readonly string[])[];
}

export interface Ended {
  readonly run: Run;
  readonly totals: ReadonlyMap<string, TargetTotals>;
  readonly exceptions: readonly RecordedException[];
  /** What was thrown, if something was. */
  readonly error: unknown;
}

export interface Scene {
  readonly options?: Partial<RunOptions>;
  /** Path of a job file; default n8n. */
  readonly job?: string;
  readonly workers?: number;
  readonly workerEntry?: URL;
}

const worker = new URL('../../dist/worker-thread.js', import.meta.url);

const known = new Map<string, Key>();

/** The same object for the same text: the id of a key takes 100 ms to compute. */
function keyOf(text: string): Key {
  const key = known.get(text) ?? Key.fromText(text);
  known.set(text, key);
  return key;
}

/** A run of one database, step by step: everything is as the command line has it, but for who asks. */
export class Stage {
  readonly place: Place;
  readonly url: string;
  readonly database: Database;
  readonly keys: RunKeys;
  readonly #scene: Scene;
  #lock: RunLock | null = null;
  #run: Run | null = null;
  readonly #folders: string[] = [];

  private constructor(place: Place, url: string, database: Database, keys: RunKeys, scene: Scene) {
    this.place = place;
    this.url = url;
    this.database = database;
    this.keys = keys;
    this.#scene = scene;
  }

  static async open(place: Place, current: string, next: string, scene: Scene = {}): Promise<Stage> {
    const url = place.schema === undefined ? place.url : `${place.url}?schema=${place.schema}`;
    return new Stage(
      place,
      url,
      await openDatabase(url),
      { current: keyOf(current), next: keyOf(next) },
      scene,
    );
  }

  /** What is known before the first change. */
  async preflight(): Promise<Preflight> {
    const catalog = await this.database.catalog();
    const { prefix } = this.place;
    const job = resolveJob(
      loadJob(this.#scene.job ?? 'n8n', formatNames),
      catalog,
      prefix === undefined ? {} : { tablePrefix: prefix },
    );
    const found = await preflight(this.database, catalog, job, this.keys);
    assertDeclared(found.inventory.undeclared);
    return found;
  }

  async plan(): Promise<Run> {
    const lock = await this.locked();
    const found = await this.preflight();
    const folder = mkdtempSync(join(tmpdir(), 'keyturn-keys-'));
    this.#folders.push(folder);
    const options: RunOptions = {
      onException: 'stop',
      maxExceptions: 100,
      chunkRows: 10,
      chunkTimeoutMs: 60_000,
      ...this.#scene.options,
    };
    const run = await beginRun(this.site(), lock, {
      current: this.keys.current,
      next: {
        key: this.keys.next,
        path: join(folder, 'new.key'),
        mustWrite: true,
        generated: false,
        warnings: [],
      },
      found,
      options,
      authority: { operator: 'a test' },
    });
    this.#run = run;
    return run;
  }

  /** The rollback of this stage's run is planned, on a stage whose keys are swapped. Works under the lock of this one. */
  async back(scene: Scene = this.#scene): Promise<Stage> {
    const { current, next } = this.keys;
    const stage = new Stage(
      this.place,
      this.url,
      await openDatabase(this.url),
      { current: next, next: current },
      scene,
    );
    await stage.borrow(this);
    const folder = mkdtempSync(join(tmpdir(), 'keyturn-keys-'));
    stage.#folders.push(folder);
    writeFileSync(join(folder, 'old.key'), current.text);
    const first = await this.run();
    const planned = await planRollback(stage.site(), first, stage.keys).catch(async (error) => {
      await stage.close();
      throw error;
    });
    stage.#run = await beginRollback(stage.site(), planned, join(folder, 'old.key'), {
      options: { ...optionsBack(first), ...scene.options },
      authority: { operator: 'a test' },
    });
    return stage;
  }

  /** Starts the run, or goes on with it wherever it stands; `with` names what changes from now on. */
  async finish(
    scene: { readonly meddling?: readonly Meddling[]; readonly keys?: RunKeys } = {},
  ): Promise<Ended> {
    const lock = await this.locked();
    if (this.#run === null) await this.plan();
    const { meddling = [], keys = this.keys } = scene;
    const site = meddling.length === 0 ? this.site() : { ...this.site(), ...this.#meddled(meddling) };
    return this.#ended(async () => finishRun(site, lock, await this.run(), keys));
  }

  /** Works under the lock of another stage of this test. */
  async borrow(other: Stage): Promise<void> {
    this.#lock = { ...(await other.locked()), release: async () => {} };
  }

  /** Goes on with a run that somebody else planned. */
  async adopt(run: string): Promise<void> {
    this.#run = await this.runs.get(run);
  }

  async retry(): Promise<Ended> {
    const lock = await this.locked();
    return this.#ended(async () => retryExceptions(this.site(), lock, await this.run(), this.keys));
  }

  async resumeWith(options: Partial<RunOptions>): Promise<Ended> {
    const run = await this.run();
    await this.runs.update(run, { options: { ...run.options, ...options } }, this.mac);
    return this.finish();
  }

  async run(): Promise<Run> {
    if (this.#run === null) throw new Error('no run was planned');
    return this.runs.get(this.#run.id);
  }

  get runs(): RunTable {
    return new RunTable(this.database.knex);
  }

  get figures(): ChunkFigures {
    if (this.#run === null) throw new Error('no run was planned');
    return new ChunkFigures(this.database.knex, this.#run.id);
  }

  get chunks(): ChunkTable {
    if (this.#run === null) throw new Error('no run was planned');
    return new ChunkTable(this.database.knex, this.#run.id, this.mac);
  }

  get mac(): CheckpointMac {
    if (this.#run === null) throw new Error('no run was planned');
    return new CheckpointMac(this.keys.next, this.#run.id);
  }

  get exceptions(): ExceptionTable {
    if (this.#run === null) throw new Error('no run was planned');
    return new ExceptionTable(this.database.knex, this.#run.id);
  }

  /** A worker in this very thread, with connections of its own, as on another machine. */
  async worker(keys: RunKeys = this.keys): Promise<ChunkWorker> {
    return ChunkWorker.open({ ...this.#settings(), oldKey: keys.current, newKey: keys.next });
  }

  /** A worker in another process takes the chunk; returns when it is done. */
  takeElsewhere(chunk: number): void {
    const script = fileURLToPath(new URL('./take-chunk.mjs', import.meta.url));
    const { current, next } = this.keys;
    const input = JSON.stringify({ ...this.#settings(), oldKey: current.text, newKey: next.text });
    const { status, stderr } = spawnSync(process.execPath, [script, String(chunk)], { input });
    if (status !== 0) throw new Error(`the other worker failed: ${stderr}`);
  }

  #settings() {
    if (this.#run === null) throw new Error('no run was planned');
    return {
      databaseUrl: this.url,
      databasePassword: null,
      attachments: null,
      checkpointFile: null,
      run: this.#run.id,
      statementTimeoutMs: null,
      worker: 'a worker of the test',
      referenceRun: null,
    };
  }

  site(): Site {
    return {
      database: this.database,
      databaseUrl: this.url,
      databasePassword: null,
      attachments: null,
      workers: this.#scene.workers ?? 1,
      workerEntry: this.#scene.workerEntry ?? worker,
      signal: new AbortController().signal,
      progress: () => {},
      toolVersion: 'test',
    };
  }

  async locked(): Promise<RunLock> {
    this.#lock ??= await this.database.lockRun();
    return this.#lock;
  }

  async unlock(): Promise<void> {
    await this.#lock?.release();
    this.#lock = null;
  }

  async close(): Promise<void> {
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
    await this.unlock();
    await this.database.close();
  }

  /** A worker thread's entry of its own, since a thread is told nothing else. One worker: every step comes once. */
  #meddled(meddling: readonly Meddling[]): Pick<Site, 'workers' | 'workerEntry'> {
    const folder = mkdtempSync(join(tmpdir(), 'keyturn-meddling-'));
    this.#folders.push(folder);
    const entry = join(folder, 'thread.mjs');
    const meddle = new URL('./meddle.mjs', import.meta.url);
    writeFileSync(
      entry,
      `import { meddle } from ${JSON.stringify(meddle.href)};
meddle(${JSON.stringify({ url: this.place.url, meddling })});
await import(${JSON.stringify(worker.href)});
`,
    );
    return { workers: 1, workerEntry: pathToFileURL(entry) };
  }

  async #ended(work: () => Promise<unknown>): Promise<Ended> {
    let error: unknown;
    try {
      await work();
    } catch (thrown) {
      error = thrown;
    }
    return {
      run: await this.run(),
      totals: await this.figures.totals(),
      exceptions: await this.exceptions.open(1000),
      error,
    };
  }
}

/** A text as SQL writes it. */
export function sqlText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
