import type { Finding, Leftover } from '../checkpoint/run.ts';
import { underNewKey } from '../chunk/values/field-counts.ts';
import { prepareTarget } from '../chunk/values/field-values.ts';
import type { Database, Table } from '../databases/database.ts';
import { formatOf } from '../formats/registry.ts';
import type { Field, Job, Target } from '../job/job.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import { targetPages } from './pages.ts';
import { findUndeclared } from './undeclared.ts';

/** What a verification compares with what it finds where the scan with one key expects nothing. */
export interface Before {
  /** The ring that is verified. */
  readonly ring: Keyring;
  /** Keys that must not decrypt anything any more; empty: none was given. */
  readonly oldKeys: readonly Key[];
  /** What the rotation found there before it began; null: there was none. */
  readonly recorded: readonly Finding[] | null;
  readonly attachments: string | null;
}

/**
 * Ciphertext that still depends on an old key, or may, where the scan with one key sees no error: outside the fields of the
 * job, and in fields that may contain look-alikes. With old keys that is exact. Without them it is every string outside the
 * fields with the signature of a format that the key does not decrypt, unless the rotation recorded as many look-alikes
 * there.
 *
 * @param found outside the fields, under the key that is verified
 */
export async function leftoverOf(
  database: Database,
  catalog: readonly Table[],
  job: Job,
  found: readonly Finding[],
  before: Before,
): Promise<Leftover[]> {
  const { oldKeys, recorded } = before;
  if (oldKeys.length > 0) return underOldKeys(database, catalog, job, before);
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
  before: Before,
): Promise<Leftover[]> {
  const leftover: Leftover[] = [];
  for (const key of before.oldKeys) {
    const { findings } = await findUndeclared(database, catalog, job, new Keyring(key));
    for (const { table, column, values, excluded } of findings)
      if (values > 0 && excluded === undefined) leftover.push({ table, column, values, keyId: key.id });
    for (const target of job.targets.filter(mayHaveLookAlikes))
      leftover.push(...(await amongLookAlikes(database, job, target, key, before)));
  }
  return leftover;
}

async function amongLookAlikes(
  database: Database,
  { everywhere }: Job,
  target: Target,
  key: Key,
  { ring, attachments }: Before,
): Promise<Leftover[]> {
  const prepared = prepareTarget({ ...target, fields: target.fields.filter(isLenient) }, everywhere);
  const counts = new Map<string, number>();
  for await (const rows of targetPages(database, target, attachments))
    for (const { prepared: of } of underNewKey(prepared, rows, {
      from: ring,
      to: new Keyring(key),
      mode: 'sweep',
    }))
      counts.set(of.field.column, (counts.get(of.field.column) ?? 0) + 1);
  const { table } = target.shape;
  return [...counts].map(([column, values]) => ({ table, column, values, keyId: key.id }));
}

function mayHaveLookAlikes({ fields }: Target): boolean {
  return fields.some(isLenient);
}

/** What does not decrypt there is left as it is, and is no error. Whole files are read by the scan itself. */
function isLenient({ closed, byShape, format }: Field): boolean {
  return closed === 'look-alike' && byShape !== true && formatOf(format).files === undefined;
}
