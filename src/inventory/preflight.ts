import type { Finding, Inventory } from '../checkpoint/run.ts';
import { originalsOf } from '../chunk/file-target.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { formatOf } from '../formats/registry.ts';
import type { Job, Target } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { fitShape } from './fit-shape.ts';
import { holdsNewKey } from './mixed-keys.ts';
import { openKeyring } from './open-keyring.ts';
import { assertOpens, type Sampled, sampleTargets } from './sample.ts';
import { filesWarnings } from './sample-files.ts';
import { type ScanResult, scanDatabase, type Wanted } from './scan.ts';
import { keyringAfter } from './source-keys.ts';
import { takeInventory } from './take-inventory.ts';
import { type Width, widthsOf } from './widths.ts';

/** Everything that is known before the first change; nothing was written. */
export interface Preflight {
  /** A job that goes by shape is fitted to what was found. */
  readonly job: Job;
  readonly from: Keyring;
  readonly to: Keyring;
  readonly inventory: Inventory;
  readonly sampled: readonly Sampled[];
  /** Values are under the new key already, and the format of some values does not prove the key. */
  readonly tryAll: boolean;
  /** Of columns with a limited length; a run cannot begin before the new ciphertext fits (`assertWide`). */
  readonly widths: readonly Width[];
  /** For the operator: what to know before going on. */
  readonly warnings: readonly string[];
}

export interface GivenKeys {
  readonly current: Key;
  /** Older keys that some values are still under. */
  readonly others?: readonly Key[];
  readonly next: Key;
  /** The new key was made just now. */
  readonly generated?: boolean;
  /** Values that do not open are skipped. */
  readonly skips?: boolean;
}

/**
 * Whether this job can be run on this database with these keys (invariant 6): canary, source keys, a sample of every
 * target, column widths, grants, and ciphertext that no field declares. Refuses with the first thing that is wrong.
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
      hint: 'name another new key',
    });
  }
  const older = others.filter((key) => !key.equals(next) && !key.equals(current));
  // By shape, which tables are written shows only when all was read
  const early = declared.everywhere === undefined ? await checkPrivileges(database, declared) : [];
  const { ring: from, canary } = await openKeyring(database, catalog, declared, current, {
    others: older,
    next: generated ? null : next,
  }).catch((error) => {
    throw database.failures.isDenied(error) ? unreadable(error) : error;
  });
  const to = keyringAfter(declared, from, next);
  // A key that was made just now is under no value yet
  const looked = await fitToDatabase(database, catalog, declared, generated ? [from] : [from, to]);
  const { job } = looked;
  const privileges = declared.everywhere === undefined ? early : await checkPrivileges(database, job);
  const tryAll = !generated && (await holdsNewKey(database, job, from, to, looked.scan));
  const sampled = await sampleTargets(database, { job, from, to, tryAll, skips, attachments });
  assertOpens(sampled, skips);
  const opened = sampled.reduce((sum, field) => sum + field.opened, 0);
  const inventory = await takeInventory(database, catalog, job, from, attachments, looked.scan);
  if (opened === 0 && (canary === 'unknown' || inventory.targets.every(({ rows }) => rows === 0))) {
    throw new KeyturnError('no-values', `this ${job.title} database holds no encrypted value`, {
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
      ...(await surroundings(database, catalog, job)),
      ...(await filesSurroundings(job, attachments)),
    ],
  };
}

/** Where the job names no places: reads everything, and fits the job to what is there. */
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

/** What a job that goes by shape looks for. */
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
 * Refuses when ciphertext was found that no field declares and no reason excludes.
 *
 * @param mend what can be done about it; default: before a run, what declares each.
 */
export function assertDeclared(findings: readonly Finding[], mend?: string): void {
  const lost = findings.filter(({ values, excluded }) => values > 0 && excluded === undefined);
  if (lost.length === 0) return;
  const places = lost
    .map(({ table, column, values }) => `${placeText(table, column, '')} (${values})`)
    .join(', ');
  throw new KeyturnError(
    'undeclared-ciphertext',
    `ciphertext under the current key stands where no field of the job declares it: ${places}`,
    {
      hint: `it would be lost with the old key: ${mend ?? waysOut(lost)}`,
    },
  );
}

/** Columns that are declared in one way together, and those that no field can declare. */
function waysOut(lost: readonly Finding[]): string {
  const ways = new Map<string | null, string[]>();
  for (const { table, column, declare = '' } of lost)
    ways.set(declare, [...(ways.get(declare) ?? []), placeText(table, column, '')]);
  const out = [...ways].map(([way, places]) => {
    const columns = places.join(', ');
    if (way === null)
      return `no field can declare ${columns}: the table has no key, or the values are escaped, cut or computed, so change that first`;
    return `declare ${columns} in a copy of the job${way === '' ? '' : ` with ${way}`}`;
  });
  return `${out.join('; ')}; or, if it may be lost, use --exclude table.column=reason`;
}

/** A right to columns only, or a policy on rows, shows at the first read. */
function unreadable(cause: unknown): KeyturnError {
  return new KeyturnError('no-grant', 'this login may not read every row that the job names', {
    hint: 'grant SELECT on the tables, without a row-level policy, or use the login that owns them',
    cause,
  });
}

function unreadWarning(table: string): string {
  return `whether ciphertext stands in ${table} is unknown: this login may not read it`;
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
    throw new KeyturnError('no-grant', `this login lacks ${missing.join(', ')}`, {
      hint: 'grant it, or use the login that owns the tables',
    });
  }
  const unknown = tables.filter((table) => update.get(table) !== 'yes');
  return [
    ...(createTable === 'unknown' ? ['whether this login may create tables is unknown'] : []),
    ...(unknown.length > 0 ? [`whether this login may update ${unknown.join(', ')} is unknown`] : []),
  ];
}

function isWrittenTable({ onlyVerified, tree }: Target): boolean {
  return onlyVerified !== true && tree === undefined;
}

async function filesSurroundings(job: Job, attachments: string | null): Promise<string[]> {
  const originals = originalsOf(job, attachments);
  return originals === null ? [] : filesWarnings(originals.tree, originals);
}

/** What makes every write cost more, fires with it, or keeps a copy of what was there before. */
async function surroundings(database: Database, catalog: readonly Table[], job: Job): Promise<string[]> {
  const written = job.targets.filter(isWrittenTable);
  const own = written.flatMap(({ shape, fields }) => {
    const { indexed = [], triggers = [] } = catalog.find(({ name }) => name === shape.table) ?? {};
    const covered = [...new Set(fields.map(({ column }) => column))].filter((column) =>
      indexed.includes(column),
    );
    return [
      ...covered.map((column) => `an index covers ${shape.table}.${column}: every row written costs more`),
      ...(triggers.length > 0 ? [`every row written to ${shape.table} fires ${triggers.join(', ')}`] : []),
    ];
  });
  return [...own, ...(await database.server.warnings(written.map(({ shape }) => shape.table)))];
}
