import type { Rows, Table } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import type { Job } from '../../job/job.ts';
import type { Key } from '../../keys/key.ts';
import { Keyring } from '../../keys/keyring.ts';
import { tryCanary, wrongKey } from './canary.ts';
import type { CanaryResult } from './canary-certificate.ts';
import { findKeyring } from './source-keys.ts';

/**
 * The keyring of this database under a master key that the canary accepts.
 *
 * @param next a new key under which values may already be; null: none is
 * @param after whether the database is one that a run has rotated
 * @throws KeyturnError `wrong-current-key`; `source-key` if the key is right, but does not open a key in the database.
 */
export async function openKeyring(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
  master: Key,
  {
    others = [],
    next = null,
    after = false,
  }: {
    readonly others?: readonly Key[];
    readonly next?: Key | null;
    readonly after?: boolean;
  } = {},
): Promise<{ ring: Keyring; canary: Exclude<CanaryResult, 'wrong'> }> {
  let ring: Keyring;
  try {
    ring = await findKeyring(
      database,
      catalog,
      job,
      master,
      others.map((key) => new Keyring(key)),
    );
  } catch (error) {
    if (!(error instanceof KeyturnError) || error.code !== 'source-key') throw error;
    const bare = new Keyring(master);
    if ((await tryCanary(database, catalog, job, bare)) === 'wrong')
      throw await wrongKey(database, catalog, job, bare);
    throw error;
  }
  if (after) ring = ring.after();
  const canary = await tryCanary(database, catalog, job, ring);
  if (canary !== 'wrong') return { ring, canary };
  // The canary itself may already be under the new key, which proves that key, but nothing about other values
  const already =
    next === null ? 'wrong' : await tryCanary(database, catalog, job, new Keyring(next).after());
  if (already === 'wrong') throw await wrongKey(database, catalog, job, ring);
  return { ring, canary: 'unknown' };
}
