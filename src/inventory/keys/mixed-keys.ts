import { underNewKey } from '../../chunk/values/field-counts.ts';
import { prepareTarget } from '../../chunk/values/field-values.ts';
import type { Database } from '../../databases/database.ts';
import { provesKey } from '../../formats/format.ts';
import { formatOf } from '../../formats/registry.ts';
import type { Job, Target } from '../../job/job.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { targetPages } from '../pages.ts';
import type { ScanResult } from '../scan.ts';

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
  { from, to }: { readonly from: Keyring; readonly to: Keyring },
  { scan, attachments }: { readonly scan: ScanResult | null; readonly attachments: string | null },
): Promise<NewKeyUse> {
  const everywhere = { some: true, doubtful: true };
  if (scan?.places.some(({ values }) => (values[to.primary.id] ?? 0) > 0) === true) return everywhere;
  const targets = job.targets.filter((each) => isToRead(each, job));
  const inDoubt = targets.filter((each) => isInDoubt(each, job));
  const isUsedIn = async (target: Target): Promise<boolean> => {
    const prepared = prepareTarget(target, job.everywhere);
    for await (const rows of targetPages(database, target, attachments))
      if (underNewKey(prepared, rows, { from, to, mode: 'chunk' }).length > 0) return true;
    return false;
  };
  for (const target of inDoubt) if (await isUsedIn(target)) return everywhere;
  for (const target of targets.filter((each) => !inDoubt.includes(each)))
    if (await isUsedIn(target)) return { some: true, doubtful: false };
  return newKeyUnused;
}

/** Tables whose values the scan has not counted. */
function isToRead({ fields, onlyVerified, tree }: Target, { everywhere }: Job): boolean {
  if (onlyVerified === true) return false;
  if (tree !== undefined) return fields.some(({ format }) => formatOf(format).files === undefined);
  return fields.some(({ byShape }) => !(byShape === true && everywhere !== undefined));
}

function isInDoubt({ fields }: Target, { everywhere }: Job): boolean {
  return fields.some(
    ({ format, byShape }) => !provesKey(formatOf(format)) && !(byShape === true && everywhere !== undefined),
  );
}
