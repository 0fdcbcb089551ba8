import type { Finding, Inventory } from '../checkpoint/run.ts';
import { digestKey } from '../chunk/digest.ts';
import { prepareTarget } from '../chunk/field-values.ts';
import { originalsOf, treeOf } from '../chunk/file-target.ts';
import { rotateRows } from '../chunk/rotate-rows.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { formatOf } from '../formats/registry.ts';
import type { Job, Target } from '../job/job.ts';
import { placeText } from '../job/place.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { fitShape } from './fit-shape.ts';
import { openKeyring } from './open-keyring.ts';
import { filesWarnings, sampleFiles } from './sample-files.ts';
import { type ScanResult, scanDatabase, type Wanted } from './scan.ts';
import { keyringAfter } from './source-keys.ts';
import { takeInventory } from './take-inventory.ts';
import { betterFields, hintOf } from './way-to-declare.ts';
import { type Width, widthsOf } from './widths.ts';

const sampledRows = 20;

/** Everything that is known before the first change; nothing was written. */
export interface Preflight {
  /** A job that goes by shape is fitted to what was found. */
  readonly job: Job;
  readonly from: Keyring;
  readonly to: Keyring;
  readonly inventory: Inventory;
  /** Of columns with a limited length; a run cannot begin before the new ciphertext fits (`assertWide`). */
  readonly widths: readonly Width[];
  /** For the operator: what to know before going on. */
  readonly warnings: readonly string[];
}

/**
 * Whether this job can be run on this database with these keys (invariant 6): canary, source keys, a sample of every
 * target, column widths, grants, and ciphertext that no field declares. Refuses with the first thing that is wrong.
 */
export async function preflight(
  database: Database,
  catalog: readonly Table[],
  declared: Job,
  keys: { readonly current: Key; readonly next: Key },
  attachments: string | null = null,
): Promise<Preflight> {
  if (keys.current.equals(keys.next)) {
    throw new KeyturnError('same-key', 'the new key is the current key', {
      hint: 'name another new key',
    });
  }
  // By shape, which tables are written shows only when all was read
  const early = declared.everywhere === undefined ? await checkPrivileges(database, declared) : [];
  const { ring: from, canary } = await openKeyring(database, catalog, declared, keys.current).catch(
    (error) => {
      throw database.failures.isDenied(error) ? unreadable(error) : error;
    },
  );
  const to = keyringAfter(declared, from, keys.next);
  const looked = await fitToDatabase(database, catalog, declared, from);
  const { job } = looked;
  const privileges = declared.everywhere === undefined ? early : await checkPrivileges(database, job);
  const opened = await sampleTargets(database, job, from, to, attachments);
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
  ring: Keyring,
): Promise<{ readonly job: Job; readonly scan: ScanResult | null }> {
  const { everywhere } = job;
  if (everywhere === undefined) return { job, scan: null };
  const scan = await scanDatabase(database, catalog, wantedOf(job, everywhere, [ring]));
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

/** Opens and seals the first rows of every target, and writes nothing. Tells how many values opened. */
async function sampleTargets(
  database: Database,
  job: Job,
  from: Keyring,
  to: Keyring,
  attachments: string | null,
): Promise<number> {
  let total = 0;
  for (const target of job.targets.filter(({ onlyVerified }) => onlyVerified !== true)) {
    const prepared = prepareTarget(target, job.everywhere);
    if (target.tree !== undefined) {
      const found = await sampleFiles(treeOf(target, attachments), prepared, from, sampledRows);
      assertMostlyOpen(target, found);
      total += found.opened;
      continue;
    }
    const rows = await database.readRange(target.shape, { after: null, upTo: null }, sampledRows);
    const digests = digestKey(to.primary, 'sample', target.shape.table);
    const outcome = rotateRows(prepared, rows, { from, to, mode: 'chunk' }, digests);
    const opened = outcome.rows.reduce((sum, { tally }) => sum + tally.rotated + tally.current, 0);
    const failed = outcome.rows.reduce((sum, { tally }) => sum + tally.exceptions, 0);
    assertMostlyOpen(target, { opened, failed }, () => hintOf(betterFields(prepared, rows, from)));
    total += opened;
  }
  return total;
}

/** @param hint null: nothing is known that would help. */
function assertMostlyOpen(
  { shape }: Target,
  { opened, failed }: { readonly opened: number; readonly failed: number },
  hint: () => string | null = () => null,
): void {
  const of = opened + failed;
  if (failed < 4 || failed <= opened) return;
  throw new KeyturnError(
    'wrong-current-key',
    `${failed} of ${of} sampled values in ${shape.table} do not open with this key`,
    {
      hint: hint() ?? 'stray damage does not look like this: check the key and the job; nothing was changed',
      facts: { target: shape.table },
    },
  );
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
