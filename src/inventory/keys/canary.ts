import { placeAt } from '../../chunk/places.ts';
import { isPlausible } from '../../chunk/values/plausible.ts';
import { storedIn } from '../../chunk/values/stored.ts';
import type { Rows, Table } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { formatOf } from '../../formats/registry.ts';
import type { Canary, Job } from '../../job/job.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { rowsWhere } from '../rows-where.ts';
import { type Better, betterCanary, hintOf } from '../way-to-declare.ts';
import { type CanaryResult, leavesOf, tryCertificate } from './canary-certificate.ts';

const sampled = 20;

/**
 * Whether the key is the right one (invariant 6). The first canary of the job that has values decides: one
 * authenticated value that opens is enough; of other values, most must open and look right.
 * 'unknown': the database contains no canary.
 */
export async function tryCanary(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
  ring: Keyring,
): Promise<CanaryResult> {
  let wrong = false;
  for (const canary of job.canary) {
    if (canary.certificate !== undefined) {
      const result = await tryCertificate(database, catalog, canary, canary.certificate.thumbprint, ring);
      if (result === 'right') return result;
      // A row of an older version may remain in another table; a wrong key opens none of them
      wrong ||= result === 'wrong';
      continue;
    }
    if (wrong) break;
    const { opened, closed } = await openSample(database, catalog, canary, ring);
    if (opened + closed === 0) continue;
    const right = formatOf(canary.format).authenticated ? opened > 0 : opened >= closed;
    return right ? 'right' : 'wrong';
  }
  return wrong ? 'wrong' : 'unknown';
}

async function openSample(
  database: Rows,
  catalog: readonly Table[],
  canary: Canary,
  ring: Keyring,
): Promise<{ opened: number; closed: number }> {
  const format = formatOf(canary.format);
  const needed = format.needs?.columns ?? [];
  let opened = 0;
  let closed = 0;
  for await (const { row, columns } of rowsWhere(database, catalog, {
    ...canary,
    also: [...(canary.with ?? []), ...needed],
  })) {
    const beside = canary.with?.map((column) => columns.indexOf(column));
    const stored = storedIn({ index: 0, ...(beside !== undefined && { beside }) }, row) ?? '';
    if (stored === '') continue;
    const leaves = leavesOf(canary, stored).filter(({ text }) => text !== '' && !format.isEmpty(text));
    const context = Object.fromEntries(
      needed.map((name) => [name, row.values[columns.indexOf(name)] ?? null]),
    );
    for (const opening of format.open(
      leaves.map(({ text }) => text),
      ring,
      leaves.map(({ path }) => placeAt(canary.table, canary.column, path, context)),
    )) {
      if (opening === 'foreign') continue;
      if (opening !== 'closed' && isPlausible(opening.plain, canary.plaintext)) opened++;
      else closed++;
    }
    if (opened + closed >= sampled) break;
  }
  return { opened, closed };
}

/** If the job declares the canary's values in a wrong way, the hint gives the right one. */
export async function wrongKey(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
  ring: Keyring,
): Promise<KeyturnError> {
  const better: Better[] = [];
  for (const canary of job.canary.filter(({ certificate }) => certificate === undefined)) {
    const values: (string | null)[] = [];
    for await (const { row } of rowsWhere(database, catalog, canary)) {
      values.push(row.values[0] ?? null);
      if (values.length >= sampled) break;
    }
    better.push(...betterCanary(canary, values, ring));
  }
  const doubtful = await wrongCanary(database, catalog, job, ring);
  return new KeyturnError('wrong-current-key', `this key does not decrypt this ${job.title} database`, {
    hint: doubtful ?? hintOf(better) ?? 'use the key that the application uses now; nothing was changed',
  });
}

/** A key that opens values of another canary is right, and the format of this one is wrong. */
async function wrongCanary(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
  ring: Keyring,
): Promise<string | null> {
  let wrong: string | null = null;
  for (const canary of job.canary.filter(({ certificate }) => certificate === undefined)) {
    const { opened, closed } = await openSample(database, catalog, canary, ring);
    const place = `${canary.table}.${canary.column}`;
    if (opened === 0 && closed > 0) wrong ??= place;
    else if (wrong !== null && opened > 0 && formatOf(canary.format).authenticated)
      return `the key is right: it decrypts ${place}; correct the canary ${wrong} in the job; nothing was changed`;
  }
  return null;
}
