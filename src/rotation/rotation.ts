import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Knex } from 'knex';
import type { Database, RunLock } from '../databases/database.ts';
import { openDatabase } from '../databases/open.ts';
import { KeyturnError } from '../error.ts';
import type { Job } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import { migrate } from './checkpoint-schema.ts';
import { ChunkTable, type NewChunk } from './chunk-table.ts';
import { Coordinator, type Progress } from './coordinator.ts';
import { ExceptionTable } from './exception-table.ts';
import { type Pace, paceOf } from './pace.ts';
import { pin } from './pin.ts';
import type { Preflight } from './preflight.ts';
import { processName } from './process-name.ts';
import {
  type Authority,
  assertKeys,
  type Inventory,
  type Run,
  type RunKind,
  type RunOptions,
} from './run.ts';
import { openRunQueue, type QueueSite } from './run-queue.ts';
import { RunTable } from './run-table.ts';
import { sendKey, type ThreadData } from './thread.ts';

/** Where and how a run works. */
export interface Site extends QueueSite {
  readonly database: Database;
  readonly databaseUrl: string;
  readonly databasePassword: string | null;
  readonly signal: AbortSignal;
  readonly progress: (state: Progress) => void;
  /** What holds the run back; default nothing. */
  readonly pace?: Pace;
  readonly toolVersion: string;
}

export interface RunKeys {
  readonly current: Key;
  readonly next: Key;
}

/** What the user ordered. */
export interface Order {
  readonly job: Job;
  readonly options: RunOptions;
  readonly authority: Authority;
}

/** Tables in a local file, for runs that must not write to the database; `remove` when the report is written. */
export interface LocalCheckpoint {
  readonly file: string;
  readonly database: Database;
  readonly remove: () => Promise<void>;
}

/** `<UTC date>-<time>-<random>`: sorts by time, safe in file names and queue job ids. */
function newRunId(): string {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${randomBytes(3).toString('hex')}`;
}

/** Makes or upgrades the checkpoint tables, and writes the run's row. The new key is durable by now (invariant 4). */
export async function createRun(site: Site, order: Order, keys: RunKeys, found: Preflight): Promise<Run> {
  await migrate(site.database.knex);
  return insertRun(site, site.database.knex, 'rotation', order, keys, found);
}

/** Takes a run of the database to its end; resumes it if it stands anywhere in the middle. */
export async function finishRun(site: Site, lock: RunLock, run: Run, keys: RunKeys): Promise<Run> {
  assertKeys(run, keys.current, keys.next);
  const runs = new RunTable(site.database.knex);
  const chunks = new ChunkTable(site.database.knex, run.id);
  let taken = await runs.takeOver(run, processName());
  if (run.state !== 'planned') {
    await runs.record(run.id, 'resumed', { state: run.state });
    await chunks.replan();
    if (taken.options.onException === 'stop') await planRetries(site.database.knex, taken);
  }
  if (taken.state === 'verifying') taken = await runs.become(taken, 'rotating');
  return coordinate(site, site.database.knex, lock, taken, threadData(site, taken, keys, null, null));
}

/** A finished run's exceptions are tried again: their rows become sweep chunks. */
export async function retryExceptions(site: Site, lock: RunLock, run: Run, keys: RunKeys): Promise<Run> {
  assertKeys(run, keys.current, keys.next);
  // Unfinished first: killed in between, the run must not stand there as finished without its exceptions
  const rotating = await new RunTable(site.database.knex).become(run, 'rotating');
  await planRetries(site.database.knex, rotating);
  return finishRun(site, lock, rotating, keys);
}

/** What a run that writes nothing came to; a problem of the run's own is handed back, so that it can be reported. */
export interface LocalRun {
  readonly run: Run;
  readonly checkpoint: LocalCheckpoint;
  readonly problem: KeyturnError | null;
}

/** Everything but the writes: cryptography too, with what it seals opened again. The checkpoint is a local file. */
export async function rehearse(site: Site, order: Order, keys: RunKeys, found: Preflight): Promise<LocalRun> {
  return locally(async ({ file, database: { knex } }) => {
    const run = await insertRun(site, knex, 'dry-run', order, keys, found);
    return { run, data: threadData(site, run, keys, file, null) };
  }, site);
}

/** Reads every value with one key; compares with the digests of `reference`, a rotation to this key, if there is one. */
export async function verifyDatabase(
  site: Site,
  order: Order,
  key: Key,
  inventory: Inventory,
  reference: Run | null,
): Promise<LocalRun> {
  return locally(async ({ file, database: { knex } }) => {
    const run = await insertRow(
      site,
      knex,
      'verification',
      order,
      { from: key.id, to: key.id },
      inventory,
      () => ({}),
    );
    if (reference !== null)
      await copyRanges(new ChunkTable(site.database.knex, reference.id), new ChunkTable(knex, run.id));
    const data = threadData(site, run, { current: key, next: key }, file, reference?.id ?? null);
    return { run, data: { ...data, oldKey: null } };
  }, site);
}

/** Plans a run in a local checkpoint and takes it to its end there. */
async function locally(
  plan: (checkpoint: LocalCheckpoint) => Promise<{ run: Run; data: ThreadData }>,
  site: Site,
): Promise<LocalRun> {
  const checkpoint = await localCheckpoint();
  const { knex } = checkpoint.database;
  let planned: Run | undefined;
  try {
    const { run, data } = await plan(checkpoint);
    planned = run;
    return { run: await coordinate(site, knex, null, run, data), checkpoint, problem: null };
  } catch (error) {
    if (planned !== undefined && error instanceof KeyturnError) {
      return { run: await new RunTable(knex).get(planned.id), checkpoint, problem: error };
    }
    await checkpoint.remove();
    throw error;
  }
}

async function coordinate(
  site: Site,
  checkpoint: Knex,
  lock: RunLock | null,
  run: Run,
  data: ThreadData,
): Promise<Run> {
  const queue = await openRunQueue(site, data);
  try {
    const { database, signal, progress, pace = paceOf([]) } = site;
    const coordination = { database, checkpoint, queue, lock, signal, progress, pace };
    return await new Coordinator(coordination, run).finish();
  } finally {
    await queue.close();
  }
}

function threadData(
  site: Site,
  run: Run,
  keys: RunKeys,
  checkpointFile: string | null,
  referenceRun: string | null,
): ThreadData {
  const { databaseUrl, databasePassword } = site;
  return {
    databaseUrl,
    databasePassword,
    checkpointFile,
    run: run.id,
    statementTimeoutMs: run.options.chunkTimeoutMs,
    worker: processName(),
    oldKey: sendKey(keys.current),
    newKey: sendKey(keys.next),
    referenceRun,
  };
}

function insertRun(
  site: Site,
  knex: Knex,
  kind: RunKind,
  order: Order,
  keys: RunKeys,
  found: Preflight,
): Promise<Run> {
  const ids = { from: keys.current.id, to: keys.next.id };
  return insertRow(site, knex, kind, order, ids, found.inventory, (id) => pin(found.from, keys.next, id));
}

async function insertRow(
  site: Site,
  knex: Knex,
  kind: RunKind,
  order: Order,
  keyIds: { readonly from: string; readonly to: string },
  inventory: Inventory,
  pinned: (id: string) => Record<string, string>,
): Promise<Run> {
  const id = newRunId();
  const runs = new RunTable(knex);
  await runs.insert({
    id,
    kind,
    state: 'planned',
    reason: null,
    fromKeyId: keyIds.from,
    toKeyId: keyIds.to,
    fence: 1,
    round: 0,
    pinned: pinned(id),
    inventory,
    toolVersion: site.toolVersion,
    place: site.database.place,
    ...order,
  });
  await runs.record(id, 'planned', { keyFrom: keyIds.from, keyTo: keyIds.to });
  return runs.get(id);
}

/** Rows with open exceptions become sweep chunks; in the same transaction the exceptions stop counting. */
async function planRetries(knex: Knex, run: Run): Promise<void> {
  const exceptions = new ExceptionTable(knex, run.id);
  const chunks = new ChunkTable(knex, run.id);
  for (;;) {
    const open = await exceptions.open(200, 0, { but: 'digest-differs' });
    const [first] = open;
    if (first === undefined) return;
    const found = await chunks.find(first.chunk);
    if (found === undefined) return;
    const rowIds = open.filter(({ chunk }) => chunk === first.chunk).map(({ rowId }) => rowId);
    const unique = [...new Map(rowIds.map((id) => [JSON.stringify(id), id])).values()];
    const { target, phase } = found;
    await knex.transaction(async (trx) => {
      await exceptions.resolve(trx, target, unique);
      const parent = found.parent ?? found.chunk;
      await chunks.insert(
        [{ target, phase, parent, range: { after: null, upTo: null }, rowIds: unique }],
        trx,
      );
    });
  }
}

/** The same ranges as the rotation had, each pointing at the chunk whose digests it is compared with. */
async function copyRanges(from: ChunkTable, to: ChunkTable): Promise<void> {
  for await (const chunk of from.ranges()) {
    const { target, phase, range } = chunk;
    const copy: NewChunk = { target, phase, parent: chunk.chunk, range, rowIds: null };
    await to.insert([copy]);
  }
}

async function localCheckpoint(): Promise<LocalCheckpoint> {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-'));
  const file = join(folder, 'checkpoint.sqlite');
  const database = await openDatabase(`sqlite:${file}`, { create: true });
  await database.knex.raw('pragma journal_mode = wal');
  await migrate(database.knex);
  return {
    file,
    database,
    remove: async () => {
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
