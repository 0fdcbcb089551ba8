import type { DerivedSecrets } from '../checkpoint/derived-secrets.ts';
import { assertNoneUnfinished, openHistory } from '../checkpoint/history.ts';
import { CheckpointMac } from '../checkpoint/mac.ts';
import { otherKeyIds, pin } from '../checkpoint/pin.ts';
import { assertAuthentic, assertKeys, type Run, type RunOptions } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { migrate } from '../checkpoint/schema.ts';
import type { RunLock } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { addDecisions } from '../inventory/add-decisions.ts';
import {
  type DerivedContext,
  derivedSecretsPath,
  findDerivedSecrets,
  keepSecrets,
  nothingKnown,
} from '../inventory/keys/derived-secrets.ts';
import { assertNothingLost } from '../inventory/lost-places.ts';
import type { Preflight } from '../inventory/preflight.ts';
import { assertDeclared } from '../inventory/undeclared.ts';
import { assertWide, type Width, widenColumns } from '../inventory/widths.ts';
import type { Decision } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import { assertCreatable, syncKeyFile, writeKeyFile } from '../keys/key-file.ts';
import { Keyring } from '../keys/keyring.ts';
import type { NewKeyPlan } from '../keys/master-key.ts';
import { insertRun, type Order, rotationOf } from './insert-run.ts';
import { keyringsOf } from './run-keyrings.ts';
import type { Site } from './site.ts';
import { unlessStopped } from './unless-stopped.ts';

/** The keys of a run that will write to the database: the new one with its key file. */
export interface KeptKeys {
  readonly current: Key;
  /** Older keys that values may still be under, besides those that the run knows already. */
  readonly others?: readonly Key[];
  readonly next: NewKeyPlan;
}

/** A rotation that is prepared. Nothing is written yet. */
export interface NewRotation extends KeptKeys, Order {
  readonly found: Preflight;
  /** What tells which derived secrets are in use. Default: nothing but the database. */
  readonly derived?: DerivedContext;
  /** Columns that are too narrow may be widened, and keyturn's tables of an older version upgraded. */
  readonly upgradeDatabase?: boolean | undefined;
}

/** A step of `beginRun` that people should know about. */
export type BeginStep =
  | { readonly secretsFile: string; readonly settings: readonly string[] }
  | { readonly widened: Width };

/**
 * Begins a rotation in the only order in which every later state of the database can be finished (invariant 4): first
 * the new key is written to disk, then the secrets that the application derives from the old key, then columns are
 * widened, and the run's row is inserted last. Call `finishRun` next.
 *
 * @param lock held since before the history and the database were read.
 * @param onStep called after each step, because a later step may fail.
 * @throws KeyturnError `run-unfinished`, `undeclared-ciphertext`, `column-too-narrow`; `stopped`;
 * what writing a key file throws.
 */
export async function beginRun(
  site: Site,
  lock: RunLock,
  rotation: NewRotation,
  onStep: (done: BeginStep) => void = () => undefined,
): Promise<Run> {
  const { database, signal } = site;
  const { knex } = database;
  const { current, next, found, derived = nothingKnown, upgradeDatabase = false } = rotation;
  assertNoneUnfinished(await openHistory(database, upgradeDatabase));
  assertDeclared(found.inventory.undeclared);
  assertWide(found.widths, upgradeDatabase);
  const reading = database
    .catalog()
    .then((catalog) => findDerivedSecrets(database, catalog, found.job, current, derived));
  const secrets = await Promise.race([unlessStopped(signal, reading), lock.lost]);
  assertStorable(next, secrets?.toSave.size ?? 0);
  await makeDurable(next);
  const secretsFile = secrets === null || secrets.toSave.size === 0 ? null : derivedSecretsPath(next.path);
  if (secrets !== null && secretsFile !== null) {
    keepSecrets(secretsFile, secrets.toSave, found.job.title);
    onStep({ secretsFile, settings: [...secrets.toSave.keys()] });
  }
  for (const widened of await widenColumns(database, found.widths)) onStep({ widened });
  await migrate(database);
  const known = secrets === null ? found : withSecrets(found, { ...secrets.derived, file: secretsFile });
  return insertRun(site, knex, rotationOf('rotation', rotation, { current, next: next.key }, known));
}

function withSecrets(found: Preflight, derived: DerivedSecrets): Preflight {
  return { ...found, inventory: { ...found.inventory, derived } };
}

/** What the user changes when a run continues. */
export interface Changes {
  readonly options: Partial<RunOptions>;
  readonly decisions: readonly Decision[];
}

/**
 * Prepares an existing run for `finishRun`: checks its keys, makes sure that the new key is on disk, and stores the
 * changes.
 *
 * @throws KeyturnError `other-keys`, `checkpoint-altered`, `schema-changed`; `undecided-place` and `bad-option` for a decision; `stopped`;
 * what writing a key file throws.
 */
export async function resumeRun(site: Site, run: Run, keys: KeptKeys, changes: Changes): Promise<Run> {
  const { database, signal } = site;
  const { current, others = [], next } = keys;
  assertKeys(run, current, next.key);
  const mac = new CheckpointMac(next.key, run.id);
  assertAuthentic(run, mac);
  const { from, to } = keyringsOf(run, { current, next: next.key });
  const rings = [from, to];
  const catalog = await unlessStopped(signal, database.catalog());
  assertNothingLost(catalog, run, 'run keyturn resume');
  const job = await unlessStopped(signal, addDecisions(database, run.job, changes.decisions, rings));
  await makeDurable(next);
  // Written only if something changes: a worker of the last session may still hold a lock on the run's row
  const known = otherKeyIds(run.pinned);
  const added = others.filter(({ id }) => !known.includes(id));
  if (job === run.job && Object.keys(changes.options).length === 0 && added.length === 0) return run;
  const options = { ...run.options, ...changes.options };
  const part = {
    options,
    ...(job !== run.job && { job }),
    ...(added.length > 0 && {
      pinned: { ...run.pinned, ...pin(new Keyring(current, [], added), next.key, run.id) },
    }),
  };
  return new RunTable(database.knex).update(run, part, mac);
}

/** Checks, while nothing is written, that the keys and the secrets can be kept. */
function assertStorable(next: NewKeyPlan, secrets: number): void {
  for (const { mustWrite, path, external } of [next, ...(next.parts ?? [])])
    if (mustWrite && external !== true) assertCreatable(path);
  if (next.external === true && secrets > 0)
    throw new KeyturnError('bad-option', 'secrets must be saved beside the file of the new key', {
      hint: 'use --new-key-file: this application derives secrets from its key',
    });
}

async function makeDurable({ path, key, mustWrite, external, store, parts = [] }: NewKeyPlan): Promise<void> {
  for (const part of parts) await makeDurable({ ...part, generated: false, warnings: [] });
  if (external === true) await store?.();
  else if (mustWrite) writeKeyFile(path, key);
  else syncKeyFile(path);
}
