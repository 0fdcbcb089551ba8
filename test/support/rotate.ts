import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExceptionTable, type RecordedException } from '../../src/checkpoint/exception-table.ts';
import { ChunkFigures, type TargetTotals } from '../../src/checkpoint/figures.ts';
import type { Run, RunOptions } from '../../src/checkpoint/run.ts';
import { RunTable } from '../../src/checkpoint/run-table.ts';
import { openDatabase } from '../../src/databases/open.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { preflight } from '../../src/inventory/preflight.ts';
import { assertDeclared } from '../../src/inventory/undeclared.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { Key } from '../../src/keys/key.ts';
import { beginRun } from '../../src/rotation/begin-run.ts';
import { finishRun } from '../../src/rotation/finish-run.ts';
import type { Site } from '../../src/rotation/site.ts';
import type { Place } from './n8n/store.ts';

export interface Outcome {
  readonly run: Run;
  readonly totals: ReadonlyMap<string, TargetTotals>;
  readonly exceptions: readonly RecordedException[];
  /** The error that the rotation threw, if any. */
  readonly error: unknown;
}

export interface Rotating {
  readonly options?: Partial<RunOptions>;
  readonly signal?: AbortSignal;
  readonly workers?: number;
  readonly job?: string;
  /** Runs between the preflight and the first chunk. */
  readonly before?: () => Promise<void>;
}

/** Rotates with the library in this process. The worker threads run the built code in dist. */
export async function rotate(
  place: Place,
  current: string,
  next: string,
  rotating: Rotating = {},
): Promise<Outcome> {
  const schema = place.schema === undefined ? '' : `?schema=${place.schema}`;
  const url = place.url + schema;
  const database = await openDatabase(url);
  const lock = await database.lockRun();
  lock.lost.catch(() => {});
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-keys-'));
  try {
    const keys = { current: Key.fromText(current), next: Key.fromText(next) };
    const site: Site = {
      database,
      databaseUrl: url,
      databasePassword: null,
      attachments: null,
      workers: rotating.workers ?? 2,
      workerEntry: new URL('../../dist/worker-thread.js', import.meta.url),
      signal: rotating.signal ?? new AbortController().signal,
      progress: () => {},
      toolVersion: 'test',
    };
    const runs = new RunTable(database.knex);
    const tables = await database.knex.schema.hasTable('keyturn_run');
    let run = tables ? await runs.unfinished() : undefined;
    if (run === undefined) {
      const catalog = await database.catalog();
      const prefix = place.prefix === undefined ? {} : { tablePrefix: place.prefix };
      const job = resolveJob(loadJob(rotating.job ?? 'n8n', formatNames), catalog, prefix);
      const found = await preflight(database, catalog, job, keys);
      assertDeclared(found.inventory.undeclared);
      const options: RunOptions = {
        onException: 'stop',
        maxExceptions: 100,
        chunkRows: 10,
        chunkTimeoutMs: 60_000,
        ...rotating.options,
      };
      run = await beginRun(site, lock, {
        current: keys.current,
        next: {
          key: keys.next,
          path: join(folder, 'new.key'),
          mustWrite: true,
          generated: false,
          warnings: [],
        },
        found,
        options,
        authority: { operator: 'a test' },
      });
    }
    await rotating.before?.();
    let error: unknown;
    try {
      await finishRun(site, lock, run, keys);
    } catch (thrown) {
      error = thrown;
    }
    return {
      run: await runs.get(run.id),
      totals: await new ChunkFigures(database.knex, run.id).totals(),
      exceptions: await new ExceptionTable(database.knex, run.id).open(1000),
      error,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await lock.release();
    await database.close();
  }
}
