import { hasNewKey } from '../chunk/field-counts.ts';
import { prepareTarget } from '../chunk/field-values.ts';
import type { Database } from '../databases/database.ts';
import { provesKey } from '../formats/format.ts';
import { formatOf } from '../formats/registry.ts';
import type { Job, Target } from '../job/job.ts';
import type { Keyring } from '../keys/keyring.ts';
import { pagesOf } from './pages.ts';
import type { ScanResult } from './scan.ts';

/** Where values are already under the new key: the application was started with it too early, or another tool stopped halfway. */
export interface NewKeyUse {
  /** Some value, in any format. */
  readonly some: boolean;
  /**
   * Some value in a format whose openings do not prove the key. Every key must then be tried on every value, or a value
   * under the new key that seems to open under the current one would be sealed twice (invariant 6).
   */
  readonly doubtful: boolean;
}

export const newKeyUnused: NewKeyUse = { some: false, doubtful: false };

/**
 * Reads all values, those in formats in doubt first, up to the first one under the new key.
 *
 * @param scan for a job that finds ciphertext by shape: made with both keys, it has counted all values
 */
export async function findNewKey(
  database: Database,
  job: Job,
  from: Keyring,
  to: Keyring,
  scan: ScanResult | null,
): Promise<NewKeyUse> {
  const everywhere = { some: true, doubtful: true };
  if (scan?.places.some(({ values }) => (values[to.primary.id] ?? 0) > 0) === true) return everywhere;
  const targets = job.targets.filter((each) => isToRead(each, job));
  const inDoubt = targets.filter((each) => isInDoubt(each, job));
  for (const target of inDoubt) if (await isUsedIn(database, target, job, from, to)) return everywhere;
  for (const target of targets.filter((each) => !inDoubt.includes(each)))
    if (await isUsedIn(database, target, job, from, to)) return { some: true, doubtful: false };
  return newKeyUnused;
}

/** Tables whose values the scan has not counted. */
function isToRead({ fields, onlyVerified, tree }: Target, { everywhere }: Job): boolean {
  if (onlyVerified === true || tree !== undefined) return false;
  return fields.some(({ byShape }) => !(byShape === true && everywhere !== undefined));
}

function isInDoubt({ fields }: Target, { everywhere }: Job): boolean {
  return fields.some(
    ({ format, byShape }) => !provesKey(formatOf(format)) && !(byShape === true && everywhere !== undefined),
  );
}

async function isUsedIn(
  database: Database,
  target: Target,
  { everywhere }: Job,
  from: Keyring,
  to: Keyring,
): Promise<boolean> {
  const prepared = prepareTarget(target, everywhere);
  for await (const rows of pagesOf(database, target.shape))
    if (hasNewKey(prepared, rows, { from, to, mode: 'chunk' })) return true;
  return false;
}
