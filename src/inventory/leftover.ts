import type { Finding, Leftover } from '../checkpoint/run.ts';
import type { Database, Table } from '../databases/database.ts';
import type { Job } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import { findUndeclared } from './undeclared.ts';

/** What a verification compares with what it finds outside the fields of the job. */
export interface Before {
  /** Keys that must not decrypt anything any more; empty: none was given. */
  readonly oldKeys: readonly Key[];
  /** What the rotation found there before it began; null: there was none. */
  readonly recorded: readonly Finding[] | null;
}

/**
 * Ciphertext outside the fields of the job that still depends on an old key, or may. With old keys that is exact. Without
 * them it is every string with the signature of a format that the key does not decrypt, unless the rotation recorded as
 * many look-alikes there.
 *
 * @param found outside the fields, under the key that is verified
 */
export async function leftoverOf(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  found: readonly Finding[],
  { oldKeys, recorded }: Before,
): Promise<Leftover[]> {
  if (oldKeys.length > 0) return underOldKeys(database, catalog, job, oldKeys);
  if (recorded === null) return [];
  return found.flatMap(({ table, column, lookAlikes, excluded }) => {
    const known = recorded.find((each) => each.table === table && each.column === column)?.lookAlikes ?? 0;
    const values = lookAlikes - known;
    return values > 0 && excluded === undefined ? [{ table, column, values, keyId: null }] : [];
  });
}

async function underOldKeys(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  oldKeys: readonly Key[],
): Promise<Leftover[]> {
  const leftover: Leftover[] = [];
  for (const key of oldKeys) {
    const { findings } = await findUndeclared(database, catalog, job, new Keyring(key));
    for (const { table, column, values, excluded } of findings)
      if (values > 0 && excluded === undefined) leftover.push({ table, column, values, keyId: key.id });
  }
  return leftover;
}
