import { randomBytes } from 'node:crypto';
import type { Knex } from 'knex';
import { CheckpointMac } from '../checkpoint/mac.ts';
import { pin } from '../checkpoint/pin.ts';
import type { Authority, Inventory, Run, RunKind, RunOptions } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { migrate } from '../checkpoint/schema.ts';
import type { Preflight } from '../inventory/preflight.ts';
import type { Job } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import type { RunKeys, Site } from './site.ts';

/** What the user ordered. */
export interface Order {
  readonly job: Job;
  readonly options: RunOptions;
  readonly authority: Authority;
}

/** Makes or upgrades the checkpoint tables, and writes the run's row. The new key is durable by now (invariant 4). */
export async function createRun(site: Site, order: Order, keys: RunKeys, found: Preflight): Promise<Run> {
  await migrate(site.database);
  return insertRun(site, site.database.knex, 'rotation', order, keys, found);
}

/** Writes the row of a run of these keys. */
export function insertRun(
  site: Site,
  knex: Knex,
  kind: RunKind,
  order: Order,
  keys: RunKeys,
  found: Preflight,
): Promise<Run> {
  const ids = { from: keys.current.id, to: keys.next.id };
  return insertRow(site, knex, kind, order, keys.next, ids, found.inventory, (id) =>
    pin(found.from, keys.next, id),
  );
}

/** Writes a run's row; `pinned` gives the wrapped source keys for its id. */
export async function insertRow(
  site: Site,
  knex: Knex,
  kind: RunKind,
  order: Order,
  newKey: Key,
  keyIds: { readonly from: string; readonly to: string },
  inventory: Inventory,
  pinned: (id: string) => Record<string, string>,
): Promise<Run> {
  const id = newRunId();
  const runs = new RunTable(knex);
  await runs.insert(
    {
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
    },
    new CheckpointMac(newKey, id),
  );
  await runs.record(id, 'planned', { keyFrom: keyIds.from, keyTo: keyIds.to });
  return runs.get(id);
}

/** `<UTC date>-<time>-<random>`: sorts by time, safe in file names and queue job ids. */
function newRunId(): string {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  return `${time}-${randomBytes(3).toString('hex')}`;
}
