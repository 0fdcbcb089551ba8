import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { assertAuthenticChunks } from '../checkpoint/audit.ts';
import type { NewChunk } from '../checkpoint/chunk.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { CheckpointMac } from '../checkpoint/mac.ts';
import { pin } from '../checkpoint/pin.ts';
import { assertAuthentic, type Inventory, type Run, type RunKeys } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { migrate } from '../checkpoint/schema.ts';
import type { Database } from '../databases/database.ts';
import { openDatabase } from '../databases/open.ts';
import { KeyturnError } from '../error.ts';
import type { Preflight } from '../inventory/preflight.ts';
import type { Job } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import { insertRun, type Order, rotationOf } from './insert-run.ts';
import { coordinate, type Site } from './site.ts';
import { type ThreadData, threadData } from './workers/thread.ts';

/** Checkpoint tables in a local file, for runs that must not write to the database. Call `remove` after the report. */
export interface LocalCheckpoint {
  readonly file: string;
  readonly database: Database;
  readonly remove: () => Promise<void>;
}

/** The end of a run that writes nothing. A problem of the run is returned, so that it can be reported. */
export interface LocalRun {
  readonly run: Run;
  readonly checkpoint: LocalCheckpoint;
  readonly problem: KeyturnError | null;
}

/** A dry run: everything but the writes. Values are encrypted, and decrypted again. The checkpoint is a local file. */
export async function rehearse(site: Site, order: Order, keys: RunKeys, found: Preflight): Promise<LocalRun> {
  return locally(site, keys.next, async ({ file, database: { knex } }) => {
    const run = await insertRun(site, knex, rotationOf('dry-run', order, keys, found));
    return { run, data: threadData(site, run, keys, { checkpointFile: file, referenceRun: null }) };
  });
}

/** What `verifyDatabase` reads. */
export interface Reading extends Order {
  readonly job: Job;
  readonly inventory: Inventory;
  readonly key: Key;
  /** Further keys that count as this one. */
  readonly others?: readonly Key[];
  /** A rotation to this key, whose digests every row is compared with; null: there is none. */
  readonly reference: Run | null;
}

/** Reads every value with one key. */
export async function verifyDatabase(site: Site, reading: Reading): Promise<LocalRun> {
  const { key, others = [], reference, job, inventory, options, authority } = reading;
  return locally(site, key, async ({ file, database: { knex } }) => {
    const run = await insertRun(site, knex, {
      kind: 'verification',
      job,
      inventory,
      options,
      authority,
      fromKeyId: key.id,
      newKey: key,
      pinned: (id) => pin(new Keyring(key, [], others), key, id),
    });
    if (reference !== null) await copyRanges(site.database.knex, reference, knex, run, key);
    const local = { checkpointFile: file, referenceRun: reference?.id ?? null };
    return { run, data: threadData(site, run, { current: null, next: key }, local) };
  });
}

/** Plans a run in a local checkpoint and finishes it there. */
async function locally(
  site: Site,
  newKey: Key,
  plan: (checkpoint: LocalCheckpoint) => Promise<{ run: Run; data: ThreadData }>,
): Promise<LocalRun> {
  const checkpoint = await localCheckpoint();
  const { knex } = checkpoint.database;
  let planned: Run | undefined;
  try {
    const { run, data } = await plan(checkpoint);
    planned = run;
    return {
      run: await coordinate(site, {
        checkpoint: knex,
        mac: new CheckpointMac(newKey, run.id),
        lock: null,
        run,
        data,
      }),
      checkpoint,
      problem: null,
    };
  } catch (error) {
    if (planned !== undefined && error instanceof KeyturnError) {
      return { run: await new RunTable(knex).get(planned.id), checkpoint, problem: error };
    }
    await checkpoint.remove();
    throw error;
  }
}

/** The same ranges as the rotation, each with the number of the chunk that holds its digests. */
async function copyRanges(
  database: Knex,
  reference: Run,
  checkpoint: Knex,
  run: Run,
  key: Key,
): Promise<void> {
  const mac = reference.mac === null ? null : new CheckpointMac(key, reference.id);
  if (mac !== null) {
    assertAuthentic(reference, mac);
    await assertAuthenticChunks(database, reference, mac, true);
  }
  const from = new ChunkTable(database, reference.id, mac);
  const to = new ChunkTable(checkpoint, run.id, new CheckpointMac(key, run.id));
  for await (const chunk of from.ranges()) {
    const { target, phase, range } = chunk;
    const copy: NewChunk = { target, phase, parent: chunk.chunk, range, rowIds: null };
    await to.insert([copy]);
  }
}

async function localCheckpoint(): Promise<LocalCheckpoint> {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-'));
  const file = join(folder, 'checkpoint.sqlite');
  let database: Database | undefined;
  const remove = async (): Promise<void> => {
    await database?.close();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    database = await openDatabase(`sqlite:${file}`, { create: true });
    await database.knex.raw('pragma journal_mode = wal');
    await migrate(database);
    return { file, database, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
