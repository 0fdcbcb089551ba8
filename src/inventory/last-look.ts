import type { Inventory, LatePlaces, Run } from '../checkpoint/run.ts';
import type { Database } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { searchableColumns, undeclaredColumns } from '../job/everywhere.ts';
import type { Job } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { fitLate } from './fit-shape.ts';
import { type ScanResult, scanDatabase, wantedOf } from './scan.ts';
import { assertDeclared, findUndeclared } from './undeclared.ts';

/**
 * Reads what the verifier does not: tables and columns that were added since the inventory, those without anything to
 * verify, and what no field declares. Null: nothing there needs the old key, and nothing new was found.
 *
 * @param ring the keys before the run
 * @throws KeyturnError `late-places` for what keyturn cannot rotate by itself; nothing is written
 */
export async function lookAgain(database: Database, run: Run, ring: Keyring): Promise<LatePlaces | null> {
  try {
    const { job, scan } = await fitToRest(database, run.job, ring, true);
    const catalog = await database.catalog();
    const { findings, unread } = await findUndeclared(database, catalog, job, ring);
    assertDeclared(findings, 'remove it, or let the application write it again with the new key');
    const inventory = withFindings(run.inventory, scan, unread);
    return job === run.job && inventory === run.inventory ? null : { job, inventory };
  } catch (error) {
    if (!(error instanceof KeyturnError) || error.exitCode !== 2) throw error;
    throw latePlaces(error);
  }
}

function latePlaces(cause: KeyturnError): KeyturnError {
  return new KeyturnError('late-places', `since this run began: ${cause.message}`, {
    hint: `stop the application; ${cause.hint}; then run keyturn resume`,
    facts: cause.facts,
    cause,
  });
}

/**
 * The job with what it does not declare and now contains values. A job that declares all of its fields stays as it is.
 *
 * @param lost as for `fitLate`: true if the ring contains the keys before a run
 */
export async function fitToRest(
  database: Database,
  job: Job,
  ring: Keyring,
  lost: boolean,
): Promise<{ readonly job: Job; readonly scan: ScanResult | null }> {
  const { everywhere, exclude, targets } = job;
  if (everywhere === undefined) return { job, scan: null };
  const walked = new Set(targets.map(({ shape }) => shape.table));
  const catalog = await database.catalog();
  const rest = undeclaredColumns(catalog, targets).filter(
    (table) => !walked.has(table.name) || searchableColumns(table, exclude).length > 0,
  );
  const scan = await scanDatabase(database, rest, wantedOf(job, everywhere, [ring]));
  return { job: fitLate(job, catalog, scan, lost), scan };
}

/** Returns the same object if there is nothing to add. */
function withFindings(inventory: Inventory, scan: ScanResult | null, unread: readonly string[]): Inventory {
  const { places: known = [], unkeyed: before = [] } = inventory;
  const places = (scan?.places ?? []).filter(
    (place) =>
      !known.some(
        ({ table, column, path, document, format }) =>
          table === place.table &&
          column === place.column &&
          path === place.path &&
          document === place.document &&
          format === place.format,
      ),
  );
  const unknown = [...unread, ...(scan?.unread ?? [])].filter((table) => !inventory.unread.includes(table));
  const unkeyed = (scan?.unkeyed ?? []).filter((table) => !before.includes(table));
  if (places.length === 0 && unknown.length === 0 && unkeyed.length === 0) return inventory;
  return {
    ...inventory,
    ...(places.length > 0 && { places: [...known, ...places] }),
    ...(unkeyed.length > 0 && { unkeyed: [...before, ...unkeyed] }),
    unread: [...new Set([...inventory.unread, ...unknown])],
  };
}
