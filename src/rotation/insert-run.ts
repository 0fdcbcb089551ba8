import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { CheckpointMac } from '../checkpoint/mac.ts';
import { pin } from '../checkpoint/pin.ts';
import type { Authority, Inventory, Run, RunKeys, RunKind, RunOptions } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { Preflight } from '../inventory/preflight.ts';
import type { Job } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import type { Site } from './site.ts';

/** How the user wants the run to behave, and who wants it. */
export interface Order {
  readonly options: RunOptions;
  readonly authority: Authority;
}

export interface NewRun extends Order {
  readonly kind: RunKind;
  readonly job: Job;
  readonly inventory: Inventory;
  readonly fromKeyId: string;
  readonly newKey: Key;
  /** The wrapped source keys of the run with this id. */
  readonly pinned: (id: string) => Record<string, string>;
}

/** A run from one key to another, with what the preflight found. */
export function rotationOf(
  kind: 'rotation' | 'dry-run',
  order: Order,
  { current, next }: RunKeys,
  { job, inventory, from, tryAll }: Preflight,
): NewRun {
  const { authority } = order;
  const options = { ...order.options, ...(tryAll && { tryAllKeys: true }) };
  const pinned = (id: string): Record<string, string> => pin(from, next, id);
  return { kind, job, inventory, options, authority, fromKeyId: current.id, newKey: next, pinned };
}

/**
 * Inserts a run into the checkpoint tables of `knex`.
 *
 * @param supersedes the run that it rolls back, which ends with that
 */
export async function insertRun(
  { database, toolVersion }: Pick<Site, 'database' | 'toolVersion'>,
  knex: Knex,
  { pinned, newKey, ...run }: NewRun,
  supersedes: Run | null = null,
): Promise<Run> {
  const id = newRunId();
  const runs = new RunTable(knex);
  const row = {
    ...run,
    id,
    state: 'planned',
    reason: null,
    toKeyId: newKey.id,
    fence: 1,
    round: 0,
    pinned: pinned(id),
    toolVersion,
    place: database.place,
  } as const;
  await runs.insert(row, new CheckpointMac(newKey, id), supersedes);
  if (supersedes !== null) await runs.record(supersedes.id, 'superseded', { run: id });
  await runs.record(id, 'planned', { keyFrom: row.fromKeyId, keyTo: row.toKeyId });
  return runs.get(id);
}

/** `<UTC date>-<time>-<random>`: sorts by time, safe in file names and queue job ids. */
function newRunId(): string {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${randomBytes(3).toString('hex')}`;
}
