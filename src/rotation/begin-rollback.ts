import { CheckpointMac } from '../checkpoint/mac.ts';
import { keyringBefore, pin } from '../checkpoint/pin.ts';
import {
  assertAuthentic,
  assertKeys,
  type Inventory,
  type Run,
  type RunKeys,
  type RunOptions,
} from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { FieldFormat } from '../formats/registry.ts';
import { findSourceKeys, replacedNames } from '../inventory/keys/source-keys.ts';
import { fitToRest } from '../inventory/last-look.ts';
import { assertNothingLost } from '../inventory/lost-places.ts';
import { checkPrivileges } from '../inventory/privileges.ts';
import { takeInventory, unknownOf } from '../inventory/take-inventory.ts';
import { assertDeclared } from '../inventory/undeclared.ts';
import { assertWide, widthsOf } from '../inventory/widths.ts';
import type { Field, Job } from '../job/job.ts';
import { syncKeyFile } from '../keys/key-file.ts';
import { Keyring } from '../keys/keyring.ts';
import { insertRun, type Order } from './insert-run.ts';
import { processName } from './process-name.ts';
import { keyringsBack } from './run-keyrings.ts';
import type { Site } from './site.ts';

/** A rollback that is prepared. Nothing is written yet. */
export interface PlannedRollback {
  /** The run to roll back. */
  readonly first: Run;
  readonly job: Job;
  readonly inventory: Inventory;
  /** The keys before the first run, and every source key that the database has now. */
  readonly before: Keyring;
  /** `current` is the new key of the first run, `next` its old key. */
  readonly keys: RunKeys;
  readonly warnings: readonly string[];
}

/**
 * Checks that a run can be rolled back, with the job in its row and the keys that it pinned: what the database contains
 * is partly under each key. Writes nothing.
 *
 * @throws KeyturnError `other-keys`, `checkpoint-altered`, `rollback-unsupported`, `schema-changed`, `no-grant`,
 * `undeclared-ciphertext`, `column-too-narrow`
 */
export async function planRollback(
  { database }: Pick<Site, 'database'>,
  first: Run,
  keys: RunKeys,
): Promise<PlannedRollback> {
  const { current, next } = keys;
  assertKeys(first, next, current);
  assertAuthentic(first, new CheckpointMac(current, first.id));
  assertSupported(first);
  const catalog = await database.catalog();
  assertNothingLost(catalog, first, 'run keyturn rollback again');
  const before = await keysBefore(database, catalog, first, keys);
  const { from, to } = keyringsBack(first.job, before, keys);
  const back = jobBack(first.job);
  const privileges = await checkPrivileges(database, back);
  const { job, scan } = await fitToRest(database, back, from, false);
  assertWide(await widthsOf(database, catalog, job, to), false);
  const taken = await takeInventory(database, catalog, job, from, null, scan);
  assertDeclared(taken.undeclared);
  const inventory = { ...taken, newKeyUnused: false };
  return { first, job, inventory, before, keys, warnings: [...privileges, ...unknownOf(inventory)] };
}

/**
 * Begins the rollback: the old key is durable before the first row changes (invariant 4), and the first run ends in the
 * transaction that inserts the rollback, so that its workers write nothing any more. Call `finishRun` next.
 *
 * @param oldKeyFile has been read: it contains the old key; null: a command returns it
 */
export async function beginRollback(
  site: Site,
  { first, job, inventory, before, keys }: PlannedRollback,
  oldKeyFile: string | null,
  { options, authority }: Order,
): Promise<Run> {
  const { database } = site;
  if (oldKeyFile !== null) syncKeyFile(oldKeyFile);
  const taken = await new RunTable(database.knex).takeOver(first, processName(), database.traits.oneHost);
  const rollback = {
    kind: 'rollback',
    job,
    inventory,
    // Values are under either key, wherever the first run ended
    options: { ...options, tryAllKeys: true, takesBack: first.id },
    authority,
    fromKeyId: keys.current.id,
    newKey: keys.next,
    pinned: (id: string) => pin(before, keys.next, id),
  } as const;
  return insertRun(site, database.knex, rollback, taken);
}

/** How the first run behaved, but for the rows that were accepted in it. */
export function optionsBack({ options }: Run): RunOptions {
  const { onException, maxExceptions, chunkRows, chunkTimeoutMs, nested } = options;
  return {
    onException,
    maxExceptions,
    chunkRows,
    chunkTimeoutMs,
    ...(nested !== undefined && { nested: 'rotate' }),
  };
}

function assertSupported({ id, job }: Run): void {
  const refuse = (message: string): never => {
    throw new KeyturnError('rollback-unsupported', message, {
      hint: 'restore the backup, and use the old key with it',
      facts: { run: id },
    });
  };
  if (job.targets.some(({ tree }) => tree !== undefined))
    refuse(`run ${id} has rotated encrypted files, and keyturn cannot roll back files yet`);
  if (replacedNames(job).length > 1)
    refuse('more than one key of the database was replaced by the master key');
}

/** Keys that were added since are in the database only, under either master key. */
async function keysBefore(
  database: Database,
  catalog: readonly Table[],
  first: Run,
  { current, next }: RunKeys,
): Promise<Keyring> {
  const pinned = keyringBefore(first, { current: next, next: current });
  const replaced = replacedNames(first.job);
  const found = await findSourceKeys(database, catalog, first.job, [current, next]);
  const added = [...found].filter(([name]) => pinned.named(name) === undefined && !replaced.includes(name));
  const known = pinned.names.flatMap((name) => {
    const key = pinned.named(name);
    return key === undefined ? [] : [[name, key] as const];
  });
  const further = pinned.others.map(({ primary }) => primary);
  return new Keyring(next, [...known, ...added], further);
}

/** Labels name the old key again, and values get their old format. */
function jobBack(job: Job): Job {
  const fieldBack = (field: Field): Field => ({
    ...field,
    format: formatBack(field.format),
    ...(field.set !== undefined && { set: { ...field.set, was: field.set.to, to: field.set.was } }),
  });
  return {
    ...job,
    targets: job.targets.map((target) => ({ ...target, fields: target.fields.map(fieldBack) })),
    canary: job.canary.map((canary) => ({ ...canary, format: formatBack(canary.format) })),
  };
}

function formatBack(format: FieldFormat): FieldFormat {
  if (typeof format === 'string') return format;
  if ('under' in format) return { under: { ...format.under, format: formatBack(format.under.format) } };
  if (!('changed' in format)) return format;
  return { changed: { before: format.changed.after, after: format.changed.before } };
}
