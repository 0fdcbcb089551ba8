import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Decision, Job } from '../job/job.ts';
import { readPlace } from '../job/place.ts';
import type { Keyring } from '../keys/keyring.ts';
import { assertFound } from './fit-shape.ts';
import { scanDatabase, wantedOf } from './scan.ts';

/**
 * The job of a run with later decisions added. Reads only the tables that they name. Decisions that the job already has
 * are ignored.
 *
 * @param rings values under their keys count as found
 * @throws KeyturnError `undecided-place` if nothing was found in the place, `bad-option` if the run can no longer follow the
 * decision.
 */
export async function addDecisions(
  database: Database,
  job: Job,
  given: readonly Decision[],
  rings: readonly Keyring[],
): Promise<Job> {
  const { everywhere } = job;
  if (everywhere === undefined) return job;
  const { decisions } = everywhere;
  const fresh = given.filter(
    ({ place, as }) => !decisions.some((known) => known.place === place && known.as === as),
  );
  if (fresh.length === 0) return job;
  const catalog = await database.catalog();
  for (const decision of fresh) assertHeeded(decision, job, catalog);
  const named = new Set(fresh.map(({ place }) => readPlace(place)?.table));
  const scan = await scanDatabase(
    database,
    catalog.filter(({ name }) => named.has(name)),
    wantedOf(job, everywhere, rings),
  );
  for (const decision of fresh) assertFound(decision, scan);
  return { ...job, everywhere: { ...everywhere, decisions: [...decisions, ...fresh] } };
}

/** Values that were left behind or rotated already cannot be decided on again. */
function assertHeeded(
  { place, as }: Decision,
  { everywhere, targets }: Job,
  catalog: readonly Table[],
): void {
  const before = everywhere?.decisions.find((known) => known.place === place)?.as;
  const { table, column, path } = readPlace(place) ?? {};
  const isBinary = catalog
    .find(({ name }) => name === table)
    ?.columns.some(({ name, holds }) => name === column && holds === 'binary');
  const isRotated = targets.some(
    ({ shape, fields }) => shape.table === table && fields.some((field) => field.column === column),
  );
  const whole = isBinary === true && isRotated && path === '' && as === 'leave';
  if (before === undefined && !whole) return;
  throw new KeyturnError(
    'bad-option',
    `--decide ${place}=${as}: this run already ${before === 'leave' ? 'leaves the values there behind' : 'rotates the values there'}`,
    { hint: 'this was decided before the first change; omit this --decide' },
  );
}
