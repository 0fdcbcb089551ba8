import type { Finding, Inventory } from '../checkpoint/run.ts';
import { originalsOf } from '../chunk/file-target.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { formatOf } from '../formats/registry.ts';
import type { Job, Target } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { assertRandom } from './equal-ciphertexts.ts';
import { fitShape } from './fit-shape.ts';
import { holdsNewKey } from './mixed-keys.ts';
import { openKeyring } from './open-keyring.ts';
import { assertOpens, type Sampled, sampleTargets } from './sample.ts';
import { filesWarnings } from './sample-files.ts';
import { type ScanResult, scanDatabase, type Wanted } from './scan.ts';
import { keyringAfter } from './source-keys.ts';
import { takeInventory } from './take-inventory.ts';
import { type Width, widthsOf } from './widths.ts';

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
  /** Values that do not open are skipped. */
  readonly skips?: boolean;
}

/**
 * Checks that this job can run on this database with these keys (invariant 6): canary, source keys, a sample of every
 * target, column widths, privileges, and ciphertext that no field declares. Throws at the first problem; writes
 * nothing.
 */
export async function preflight(
  database: Database,
  catalog: readonly Table[],
  declared: Job,
  keys: GivenKeys,
  attachments: string | null = null,
): Promise<Preflight> {
  const { current, next, others = [], generated = false, skips = false } = keys;
  if (current.equals(next)) {
    throw new KeyturnError('same-key', 'the new key is the current key', {
      hint: 'use another new key',
    });
  }
  const older = others.filter((key) => !key.equals(next) && !key.equals(current));
  // If ciphertext is found by shape, which tables are written is known only after the scan
  const early = declared.everywhere === undefined ? await checkPrivileges(database, declared) : [];
  const { ring: from, canary } = await openKeyring(database, catalog, declared, current, {
    others: older,
    next: generated ? null : next,
  }).catch((error) => {
    throw database.failures.isDenied(error) ? unreadable(error) : error;
  });
  const to = keyringAfter(declared, from, next);
  // No value can be under a key that was just generated
  const looked = await fitToDatabase(database, catalog, declared, generated ? [from] : [from, to]);
  const { job } = looked;
  const privileges = declared.everywhere === undefined ? early : await checkPrivileges(database, job);
  const tryAll = !generated && (await holdsNewKey(database, job, from, to, looked.scan));
  const sampled = await sampleTargets(database, { job, from, to, tryAll, skips, attachments });
  assertOpens(sampled, skips);
  await assertRandom(database, catalog, job, from, to);
  const opened = sampled.reduce((sum, field) => sum + field.opened, 0);
  const inventory = await takeInventory(database, catalog, job, from, attachments, looked.scan);
  if (opened === 0 && (canary === 'unknown' || inventory.targets.every(({ rows }) => rows === 0))) {
    throw new KeyturnError('no-values', `no encrypted values found in this ${job.title} database`, {
      hint: 'check --database, its schema and --table-prefix',
    });
  }
  return {
    job,
    from,
    to,
    inventory,
    sampled,
    tryAll,
    widths: await widthsOf(database, catalog, job, to),
    warnings: [
      ...privileges,
      ...inventory.unread.map(unreadWarning),
      ...sampled.flatMap(nestedWarning),
      ...(await surroundings(database, catalog, job)),
      ...(await filesSurroundings(job, attachments)),
    ],
  };
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

/** What a scan looks for. */
export function wantedOf(
  { exclude }: Job,
  everywhere: NonNullable<Job['everywhere']>,
  rings: readonly Keyring[],
): Wanted {
  return {
    text: [formatOf(everywhere.text)],
    binary: everywhere.binary === undefined ? [] : [formatOf(everywhere.binary)],
    rings: rings.flatMap(({ each }) => each).map((ring) => ({ id: ring.primary.id, ring })),
    rules: everywhere,
    exclude,
  };
}

/**
 * Refuses ciphertext that no field declares and that is not excluded.
 *
 * @param remedy what to do about it. Default, before a run: how to declare each column.
 */
export function assertDeclared(findings: readonly Finding[], remedy?: string): void {
  const lost = findings.filter(({ values, excluded }) => values > 0 && excluded === undefined);
  if (lost.length === 0) return;
  const places = lost
    .map(({ table, column, values }) => `${placeText(table, column, '')} (${values})`)
    .join(', ');
  throw new KeyturnError(
    'undeclared-ciphertext',
    `found ciphertext under the current key that no field of the job declares: ${places}`,
    {
      hint: `it would be lost with the old key: ${remedy ?? waysOut(lost)}`,
    },
  );
}

/** How to declare the columns, grouped, and which of them no field can declare. */
function waysOut(lost: readonly Finding[]): string {
  const ways = new Map<string | null, string[]>();
  for (const { table, column, declare = '' } of lost)
    ways.set(declare, [...(ways.get(declare) ?? []), placeText(table, column, '')]);
  const out = [...ways].map(([way, places]) => {
    const columns = places.join(', ');
    if (way === null)
      return `no field can declare ${columns}: the table has no key, or the values are escaped, truncated or in a generated column; change that first`;
    return `declare ${columns} in a copy of the job${way === '' ? '' : ` with ${way}`}`;
  });
  return `${out.join('; ')}; or, if it may be lost, use --exclude table.column=reason`;
}

/** Privileges on columns only, or row-level policies, are noticed at the first read. */
function unreadable(cause: unknown): KeyturnError {
  return new KeyturnError('no-grant', 'this login cannot read all rows of the job', {
    hint: 'grant SELECT on the tables, without a row-level policy, or use the login that owns them',
    cause,
  });
}

function unreadWarning(table: string): string {
  return `cannot check ${table} for ciphertext: this login cannot read it`;
}

function nestedWarning({ target, column, nested, opened, closed, unparsed }: Sampled): string[] {
  if (nested === 0) return [];
  const of = opened + closed + unparsed;
  return [
    `${nested} of ${of} sampled values of ${placeText(target, column, '')} are encrypted twice: --nested rotate encrypts both layers with the new key, --nested unwrap removes the inner one; without --nested, each of them is an exception`,
  ];
}

async function checkPrivileges(database: Database, job: Job): Promise<string[]> {
  const tables = job.targets.filter(isWrittenTable).map(({ shape }) => shape.table);
  const { createTable, update } = await database.server.privileges(tables);
  const denied = tables.filter((table) => update.get(table) === 'no');
  if (createTable === 'no' || denied.length > 0) {
    const missing = [
      ...(createTable === 'no' ? ["CREATE TABLE for keyturn's checkpoint"] : []),
      ...denied.map((table) => `UPDATE on ${table}`),
    ];
    throw new KeyturnError('no-grant', `this login does not have ${missing.join(', ')}`, {
      hint: 'grant these privileges, or use the login that owns the tables',
    });
  }
  const unknown = tables.filter((table) => update.get(table) !== 'yes');
  return [
    ...(createTable === 'unknown' ? ['cannot tell whether this login may create tables'] : []),
    ...(unknown.length > 0 ? [`cannot tell whether this login may update ${unknown.join(', ')}`] : []),
  ];
}

function isWrittenTable({ onlyVerified, tree }: Target): boolean {
  return onlyVerified !== true && tree === undefined;
}

async function filesSurroundings(job: Job, attachments: string | null): Promise<string[]> {
  const originals = originalsOf(job, attachments);
  return originals === null ? [] : filesWarnings(originals.tree, originals);
}

/** Warnings about what slows down writes, is triggered by them, or keeps copies of old values. */
async function surroundings(database: Database, catalog: readonly Table[], job: Job): Promise<string[]> {
  const written = job.targets.filter(isWrittenTable);
  const own = written.flatMap(({ shape, fields }) => {
    const { indexed = [], triggers = [] } = catalog.find(({ name }) => name === shape.table) ?? {};
    const covered = [...new Set(fields.map(({ column }) => column))].filter((column) =>
      indexed.includes(column),
    );
    return [
      ...covered.map((column) => `an index covers ${shape.table}.${column}: writing rows takes longer`),
      ...(triggers.length > 0 ? [`writing rows of ${shape.table} fires ${triggers.join(', ')}`] : []),
    ];
  });
  return [...own, ...(await database.server.warnings(written.map(({ shape }) => shape.table)))];
}
