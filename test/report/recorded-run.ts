import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChunkTable } from '../../src/checkpoint/chunk-table.ts';
import { type Exception, ExceptionTable } from '../../src/checkpoint/exception-table.ts';
import { CheckpointMac } from '../../src/checkpoint/mac.ts';
import type { Run, RunState } from '../../src/checkpoint/run.ts';
import { RunTable } from '../../src/checkpoint/run-table.ts';
import { migrate } from '../../src/checkpoint/schema.ts';
import { Sweeps } from '../../src/checkpoint/sweeps.ts';
import { emptyTally, type Tally } from '../../src/checkpoint/tally.ts';
import type { Verification } from '../../src/checkpoint/verification.ts';
import type { Database, RowId } from '../../src/databases/database.ts';
import { openDatabase } from '../../src/databases/open.ts';
import { postgresTraits } from '../../src/databases/postgres/traits.ts';
import { sqliteTraits } from '../../src/databases/sqlite/traits.ts';
import type { Field, Job } from '../../src/job/job.ts';
import { Key } from '../../src/keys/key.ts';

/** What must never leave the checkpoint: a stored wrapped key, and bytes in place of digests. */
export const pinnedSecret = 'cGlubmVkLXNlY3JldC1vZi10aGUtbGVnYWN5LWtleQ==';
export const digestSecret = Buffer.from('digest-bytes-that-nobody-may-see');

const field: Field = {
  column: 'data',
  index: 0,
  when: [],
  document: 'text',
  format: 'n8n',
  plaintext: 'json',
  foreign: 'exception',
  closed: 'exception',
};

const job: Job = {
  name: 'n8n',
  title: 'n8n',
  hash: '0123456789abcdef'.repeat(4),
  key: { form: 'text', trim: 'quotes', generate: { bytes: 24, as: 'base64' } },
  phases: ['values', 'keys'],
  targets: [
    {
      shape: { table: 'credentials_entity', id: ['id'], columns: ['data'], written: 1 },
      phase: 0,
      fields: [field],
    },
    {
      shape: { table: 'deployment_key', id: ['id'], columns: ['value', 'type', 'algorithm'], written: 1 },
      phase: 1,
      fields: [
        {
          ...field,
          column: 'value',
          format: 'n8n-wrapped',
          plaintext: 'utf8',
          foreign: 'replace',
          becomes: 'primary',
          when: [
            { index: 1, values: ['data_encryption'] },
            { index: 2, values: ['aes-256-cbc'] },
          ],
        },
        { ...field, column: 'value', document: { json: 'any' }, format: 'n8n-wrapped', plaintext: 'any' },
      ],
    },
  ],
  absent: ['promotion_provider'],
  sourceKeys: [],
  canary: [],
  exclude: [
    { table: 'notes', column: 'body', reason: 'a copy of old credentials, deleted every night' },
    { table: 'audit', column: 'detail', reason: 'append only' },
  ],
  derived: [],
  afterwards: [],
};

const planned: Parameters<RunTable['insert']>[0] = {
  id: '20260105-030405-a1b2c3',
  kind: 'rotation',
  state: 'planned',
  reason: null,
  job,
  fromKeyId: '0011223344556677',
  toKeyId: '8899aabbccddeeff',
  fence: 1,
  round: 0,
  pinned: { legacy: pinnedSecret },
  options: { onException: 'stop', maxExceptions: 0, chunkRows: null, chunkTimeoutMs: null },
  authority: { operator: 'ada', ticket: 'OPS-17', reason: 'scheduled' },
  inventory: {
    targets: [
      { target: 'credentials_entity', rows: 1200 },
      { target: 'deployment_key', rows: 5 },
    ],
    absent: ['promotion_provider'],
    survival: postgresTraits.survival,
    unread: [],
    undeclared: [
      {
        table: 'notes',
        column: 'body',
        values: 2,
        lookAlikes: 1,
        excluded: 'a copy of old credentials, deleted every night',
      },
    ],
  },
  toolVersion: '0.1.0',
  place: 'postgres://n8n@db:5432/n8n?schema=public',
};

function macOf(run: string): CheckpointMac {
  return new CheckpointMac(Key.fromText('the key of this recorded run'), run);
}

/** A run in real checkpoint tables, recorded with the code of the rotation. */
export class RecordedRun {
  readonly folder: string;
  readonly database: Database;
  readonly runs: RunTable;
  readonly chunks: ChunkTable;
  readonly sweeps: Sweeps;
  readonly exceptions: ExceptionTable;
  run: Run;

  private constructor(folder: string, database: Database, run: Run) {
    this.folder = folder;
    this.database = database;
    this.runs = new RunTable(database.knex);
    this.chunks = new ChunkTable(database.knex, run.id, macOf(run.id));
    this.sweeps = new Sweeps(database.knex, run.id, macOf(run.id));
    this.exceptions = new ExceptionTable(database.knex, run.id);
    this.run = run;
  }

  /** @param url database for the tables; a temporary SQLite file by default. */
  static async start(part: Partial<Run> = {}, url?: string): Promise<RecordedRun> {
    const folder = await mkdtemp(join(tmpdir(), 'keyturn-report-'));
    const database = await openDatabase(url ?? `sqlite:${join(folder, 'checkpoint.sqlite')}`, {
      create: true,
    });
    await migrate(database);
    const runs = new RunTable(database.knex);
    await runs.insert({ ...planned, ...part }, macOf(planned.id));
    const run = await runs.get(planned.id);
    await runs.record(run.id, 'planned', { keyFrom: run.fromKeyId, keyTo: run.toKeyId });
    return new RecordedRun(folder, database, run);
  }

  async become(state: RunState, reason: Run['reason'] = null): Promise<void> {
    this.run = await this.runs.become(this.run, state, reason);
    await this.runs.record(this.run.id, state, reason === null ? {} : { code: reason.code });
  }

  /** Plans a chunk of the target and returns its number. */
  async plan(
    target: string,
    rowIds: readonly RowId[] | null = null,
    upTo: RowId | null = null,
  ): Promise<number> {
    const phase = job.targets.findIndex(({ shape }) => shape.table === target);
    await this.chunks.insert([{ target, phase, parent: null, range: { after: null, upTo }, rowIds }]);
    const all = await this.database.knex('keyturn_chunk').max<{ n: number }>('chunk as n').first();
    return all?.n ?? 0;
  }

  async rotate(chunk: number, tally: Partial<Tally>, exceptions: readonly Exception[] = []): Promise<void> {
    await this.database.transaction(async (trx) => {
      await this.chunks.claim(trx, chunk);
      await this.exceptions.insert(trx, chunk, exceptions);
      await this.chunks.completeRotation(trx, chunk, { ...emptyTally(), ...tally }, digestSecret, {
        worker: 'host/1',
        ms: 250,
      });
    });
  }

  async scan(): Promise<void> {
    await this.become('verifying');
    this.run = await this.runs.beginRound(this.run, this.run.round + 1);
    await this.sweeps.close(this.run.round);
  }

  async verify(chunk: number, found: Partial<Verification>, late: readonly RowId[] = []): Promise<void> {
    const nothing = { rows: 0, values: 0, proven: 0, new: 0, changed: 0, late: 0, gone: 0, exceptions: 0 };
    await this.database.transaction(async (trx) => {
      await this.chunks.claimVerification(trx, chunk, this.run.round);
      await this.chunks.completeVerification(
        trx,
        { chunk, round: this.run.round },
        { ...nothing, ...found },
        late,
        'host/1',
      );
    });
  }

  /** Transcripts need fixed times: the events of the run are one minute apart. */
  async freeze(): Promise<void> {
    const { knex } = this.database;
    const at = (minute: number): string => new Date(Date.UTC(2026, 0, 5, 3, 4 + minute, 5)).toISOString();
    const events: { seq: number; event: string }[] = await knex('keyturn_event').orderBy('seq');
    for (const { seq } of events)
      await knex('keyturn_event')
        .where({ seq })
        .update({ at: at(seq) });
    const end = at(events.at(-1)?.seq ?? 0);
    await knex('keyturn_run').update({ created_at: at(0) });
    await knex('keyturn_run').whereNotNull('finished_at').update({ finished_at: end });
    await knex('keyturn_exception').update({ at: at(1) });
    await knex('keyturn_chunk')
      .whereNotNull('rotated_at')
      .update({ rotated_at: at(1) });
    await knex('keyturn_chunk')
      .whereNotNull('verified_at')
      .update({ verified_at: at(2) });
  }

  async close(): Promise<void> {
    await this.database.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const credentials = { rows: 1200, values: 1200, rotated: 1190, empty: 10 } as const;
export const keys = { rows: 5, filtered: 1, values: 4, rotated: 3, current: 1 } as const;

/** A run up to `verified`, with a pause, rows with the old key in the first scan, and a new row. */
export async function verifiedRun(url?: string): Promise<RecordedRun> {
  const recorded = await RecordedRun.start({}, url);
  await recorded.become('rotating');
  const values = await recorded.plan('credentials_entity');
  await recorded.rotate(values, credentials);
  await recorded.become('paused', { code: 'stopped', text: 'stopped by SIGINT' });
  await recorded.runs.record(recorded.run.id, 'resumed', { state: 'paused' });
  await recorded.become('rotating');
  const wrapped = await recorded.plan('deployment_key');
  await recorded.rotate(wrapped, keys);
  await recorded.become('rotated');
  await recorded.scan();
  await recorded.verify(values, { rows: 1202, values: 1202, proven: 1200, late: 2 }, [['1201'], ['1202']]);
  await recorded.verify(wrapped, { rows: 5, values: 4, proven: 5 });
  await recorded.sweeps.plan();
  await recorded.runs.record(recorded.run.id, 'swept', { round: 1, sweeps: 1 });
  await recorded.become('rotating');
  await recorded.rotate(3, { rows: 2, values: 2, rotated: 2 });
  await recorded.become('rotated');
  await recorded.scan();
  await recorded.verify(values, { rows: 1202, values: 1202, proven: 1201, new: 1, gone: 1 });
  await recorded.verify(wrapped, { rows: 5, values: 4, proven: 5 });
  await recorded.become('verified');
  await recorded.freeze();
  return recorded;
}

/** A verified run with values that cannot be decrypted. */
export async function runWithExceptions(exceptions: readonly Exception[]): Promise<RecordedRun> {
  const recorded = await RecordedRun.start({
    place: 'sqlite:/srv/n8n/database.sqlite',
    inventory: { ...planned.inventory, survival: sqliteTraits.survival },
    options: { onException: 'skip', maxExceptions: 5000, chunkRows: 500, chunkTimeoutMs: null },
  });
  await recorded.become('rotating');
  const values = await recorded.plan('credentials_entity');
  const n = exceptions.length;
  await recorded.rotate(values, { ...credentials, rotated: 1190 - n, exceptions: n }, exceptions);
  const wrapped = await recorded.plan('deployment_key');
  await recorded.rotate(wrapped, keys);
  await recorded.become('rotated');
  await recorded.scan();
  await recorded.verify(values, { rows: 1200, values: 1200, proven: 1200, exceptions: n });
  await recorded.verify(wrapped, { rows: 5, values: 4, proven: 5 });
  await recorded.become('verified-with-exceptions');
  await recorded.freeze();
  return recorded;
}

export function damaged(rowId: RowId, path = ''): Exception {
  return { target: 'credentials_entity', rowId, field: 'data', path, reason: 'does-not-open' };
}
