import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { assertAuthenticChunks } from '../checkpoint/audit.ts';
import type { NewChunk } from '../checkpoint/chunk.ts';
import { ChunkTable } from '../checkpoint/chunk-table.ts';
import { CheckpointMac } from '../checkpoint/mac.ts';
import { assertAuthentic, type Inventory, type Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { migrate } from '../checkpoint/schema.ts';
import type { Database } from '../databases/database.ts';
import { openDatabase } from '../databases/open.ts';
import { KeyturnError } from '../error.ts';
import type { Preflight } from '../inventory/preflight.ts';
import type { Key } from '../keys/key.ts';
import { insertRow, insertRun, type Order } from './insert-run.ts';
import { coordinate, type RunKeys, type Site, threadData } from './site.ts';
import type { ThreadData } from './thread.ts';

/** Tables in a local file, for runs that must not write to the database; `remove` when the report is written. */
export interface LocalCheckpoint {
  readonly file: string;
  readonly database: Database;
  readonly remove: () => Promise<void>;
}

/** What a run that writes nothing came to; a problem of the run's own is handed back, so that it can be reported. */
export interface LocalRun {
  readonly run: Run;
  readonly checkpoint: LocalCheckpoint;
  readonly problem: KeyturnError | null;
}

/** Everything but the writes: cryptography too, with what it seals opened again. The checkpoint is a local file. */
export async function rehearse(site: Site, order: Order, keys: RunKeys, found: Preflight): Promise<LocalRun> {
  return locally(
    keys.next,
    async ({ file, database: { knex } }) => {
      const run = await insertRun(site, knex, 'dry-run', order, keys, found);
      return { run, data: threadData(site, run, keys, file, null) };
    },
    site,
  );
}

/** Reads every value with one key; compares with the digests of `reference`, a rotation to this key, if there is one. */
export async function verifyDatabase(
  site: Site,
  order: Order,
  key: Key,
  inventory: Inventory,
  reference: Run | null,
): Promise<LocalRun> {
  return locally(
    key,
    async ({ file, database: { knex } }) => {
      const run = await insertRow(
        site,
        knex,
        'verification',
        order,
        key,
        { from: key.id, to: key.id },
        inventory,
        () => ({}),
      );
      if (reference !== null) await copyRanges(site.database.knex, reference, knex, run, key);
      const data = threadData(site, run, { current: key, next: key }, file, reference?.id ?? null);
      return { run, data: { ...data, oldKey: null } };
    },
    site,
  );
}

/** Plans a run in a local checkpoint and takes it to its end there. */
async function locally(
  newKey: Key,
  plan: (checkpoint: LocalCheckpoint) => Promise<{ run: Run; data: ThreadData }>,
  site: Site,
): Promise<LocalRun> {
  const checkpoint = await localCheckpoint();
  const { knex } = checkpoint.database;
  let planned: Run | undefined;
  try {
    const { run, data } = await plan(checkpoint);
    planned = run;
    return {
      run: await coordinate(site, knex, null, run, data, new CheckpointMac(newKey, run.id)),
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

/** The same ranges as the rotation had, each pointing at the chunk whose digests it is compared with. */
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
