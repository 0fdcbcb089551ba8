import type { Inventory } from '../checkpoint/run.ts';
import { originalsOf } from '../chunk/files/file-target.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { changesFormat, type Job } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { assertRandom } from './equal-ciphertexts.ts';
import { fitShape } from './fit-shape.ts';
import { keyNameWarnings } from './keys/key-names.ts';
import { findNewKey, newKeyUnused } from './keys/mixed-keys.ts';
import { openKeyring } from './keys/open-keyring.ts';
import { keyringAfter } from './keys/source-keys.ts';
import { checkPrivileges, unreadable } from './privileges.ts';
import { atOnce, attempt, type Refuse } from './refuse.ts';
import { assertOpens, type Sampled, sampleTargets } from './sample.ts';
import { filesWarnings } from './sample-files.ts';
import { type ScanResult, scanDatabase, wantedOf } from './scan.ts';
import { takeInventory, uncoveredOf, unknownOf } from './take-inventory.ts';
import { type Width, widthsOf } from './widths.ts';
import { writeWarnings } from './write-warnings.ts';

/** What is known before the first change. */
export interface Preflight {
  /** A job that finds ciphertext by shape is fitted to what was found. */
  readonly job: Job;
  readonly from: Keyring;
  readonly to: Keyring;
  readonly inventory: Inventory;
  readonly sampled: readonly Sampled[];
  /** Some values are already under the new key, in a format whose openings do not prove the key. */
  readonly tryAll: boolean;
  /** Columns of limited length; a run cannot begin until the new ciphertext fits (`assertWide`). */
  readonly widths: readonly Width[];
  /** What the operator should know before the run. */
  readonly warnings: readonly string[];
}

export interface GivenKeys {
  readonly current: Key;
  /** Older keys under which some values still are. */
  readonly others?: readonly Key[];
  readonly next: Key;
  /** The new key was just generated. */
  readonly generated?: boolean;
  /** A key that the run will add to the database before its first change. */
  readonly added?: { readonly name: string; readonly key: Key } | undefined;
  /** Values that do not open are skipped. */
  readonly skips?: boolean;
  /** Default: the first reason not to begin is thrown. */
  readonly refuse?: Refuse;
}

/**
 * Checks that this job can run on this database with these keys (invariant 6): canary, source keys, a sample of every
 * target, column widths, privileges, and ciphertext that no field declares. Writes nothing.
 */
export function preflight(
  database: Database,
  catalog: readonly Table[],
  declared: Job,
  keys: GivenKeys,
  attachments: string | null = null,
): Promise<Preflight> {
  return lookAt(database, catalog, declared, keys, attachments).catch((error) => {
    throw database.failures.isDenied(error) ? unreadable(error) : error;
  });
}

async function lookAt(
  database: Database,
  catalog: readonly Table[],
  declared: Job,
  keys: GivenKeys,
  attachments: string | null,
): Promise<Preflight> {
  const { current, next, others = [], generated = false, skips = false, refuse = atOnce, added } = keys;
  if (declared.only === undefined && current.equals(next) && !changesFormat(declared)) {
    throw new KeyturnError('same-key', 'the new key is the current key', {
      hint: 'use another new key',
    });
  }
  const older = others.filter((key) => !key.equals(next) && !key.equals(current));
  // If ciphertext is found by shape, which tables are written is known only after the scan
  const early =
    declared.everywhere === undefined ? await attempt(refuse, () => checkPrivileges(database, declared)) : [];
  const { ring, canary } = await openKeyring(database, catalog, declared, current, {
    others: older,
    next: generated ? null : next,
  });
  const from = added === undefined ? ring : ring.with(added.name, added.key);
  const to = keyringAfter(declared, from, next);
  // No value can be under a key that was just generated
  const rings = generated ? [from] : [from, to];
  const { job, scan } = await fitToDatabase(database, catalog, declared, rings);
  const privileges =
    declared.everywhere === undefined ? early : await attempt(refuse, () => checkPrivileges(database, job));
  const use = generated ? newKeyUnused : await findNewKey(database, job, { from, to }, { scan, attachments });
  const tryAll = use.doubtful;
  const sampled = await sampleTargets(database, { job, from, to, tryAll, skips, attachments });
  assertOpens(sampled, skips, refuse);
  await assertRandom(database, catalog, job, from, to, refuse);
  const taken = await takeInventory(database, catalog, job, from, attachments, scan);
  const inventory = { ...taken, newKeyUnused: !use.some };
  await attempt(refuse, () => assertValues(job, canary, sampled, inventory));
  const widths = await widthsOf(database, catalog, job, to);
  const warnings = [
    ...(privileges ?? []),
    ...unknownOf(inventory),
    ...uncoveredOf(inventory),
    ...sampled.flatMap(nestedWarning),
    ...keyNameWarnings(catalog, job),
    ...(await writeWarnings(database, catalog, job)),
    ...((await attempt(refuse, () => attachmentsWarnings(job, attachments))) ?? []),
  ];
  return { job, from, to, inventory, sampled, tryAll, widths, warnings };
}

/** A database without any value is probably the wrong one. */
function assertValues(
  job: Job,
  canary: 'right' | 'unknown',
  sampled: readonly Sampled[],
  { targets }: Inventory,
): void {
  if (sampled.some(({ opened }) => opened > 0)) return;
  if (canary === 'right' && targets.some(({ rows }) => rows > 0)) return;
  throw new KeyturnError('no-values', `no encrypted values found in this ${job.title} database`, {
    hint: 'check --database, its schema and --table-prefix',
  });
}

/** If the job finds ciphertext by shape: scans the database and fits the job to what was found. */
export async function fitToDatabase(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  rings: readonly Keyring[],
): Promise<{ readonly job: Job; readonly scan: ScanResult | null }> {
  const { everywhere } = job;
  if (everywhere === undefined) return { job, scan: null };
  const scan = await scanDatabase(database, catalog, wantedOf(job, everywhere, rings));
  return { job: fitShape(job, catalog, scan), scan };
}

function nestedWarning({ target, column, nested, opened, closed, unparsed }: Sampled): string[] {
  if (nested === 0) return [];
  const of = opened + closed + unparsed;
  return [
    `${nested} of ${of} sampled values of ${placeText(target, column, '')} are encrypted twice: --nested rotate encrypts both layers with the new key, --nested unwrap removes the inner one; without --nested, each of them is an exception`,
  ];
}

async function attachmentsWarnings(job: Job, attachments: string | null): Promise<string[]> {
  const originals = originalsOf(job, attachments);
  return originals === null ? [] : filesWarnings(originals.tree, originals);
}
