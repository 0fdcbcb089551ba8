import { isUnderNewKey } from '../chunk/field-counts.ts';
import { prepareTarget } from '../chunk/field-values.ts';
import type { Database } from '../databases/database.ts';
import { provesKey } from '../formats/format.ts';
import { formatOf } from '../formats/registry.ts';
import type { Job, Target } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { pagesOf } from './pages.ts';
import type { ScanResult } from './scan.ts';

/**
 * Whether some value is already under the new key, in a format whose openings do not prove the key: the application was
 * started with the new key too early, or another tool stopped halfway. Every key must then be tried on every value, or
 * a value under the new key that seems to open under the current one would be sealed twice (invariant 6). Reads the
 * values of such formats up to the first one under the new key.
 *
 * @param scan for a job that finds ciphertext by shape: made with both keys, it has counted all values
 */
export async function holdsNewKey(
  database: Database,
  job: Job,
  from: Keyring,
  to: Keyring,
  scan: ScanResult | null,
): Promise<boolean> {
  if (scan?.places.some(({ values }) => (values[to.primary.id] ?? 0) > 0) === true) return true;
  for (const target of job.targets.filter((each) => isInDoubt(each, job)))
    if (await hasNewKey(database, target, job, from, to)) return true;
  return false;
}

function isInDoubt({ fields, onlyVerified, tree }: Target, { everywhere }: Job): boolean {
  if (onlyVerified === true || tree !== undefined) return false;
  return fields.some(
    ({ format, byShape }) => !provesKey(formatOf(format)) && !(byShape === true && everywhere !== undefined),
  );
}

async function hasNewKey(
  database: Database,
  target: Target,
  { everywhere }: Job,
  from: Keyring,
  to: Keyring,
): Promise<boolean> {
  const prepared = prepareTarget(target, everywhere);
  for await (const rows of pagesOf(database, target.shape))
    if (isUnderNewKey(prepared, rows, { from, to, mode: 'chunk' })) return true;
  return false;
}
