import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import { CheckpointMac } from '../checkpoint/mac.ts';
import type { Run } from '../checkpoint/run.ts';
import type { Row } from '../databases/database.ts';
import { digestKey } from './digest.ts';
import { unpackDigests } from './known-digests.ts';
import type { RotatedRows } from './rotate-rows.ts';
import type { PreparedTarget } from './values/field-values.ts';
import { verifyRows } from './verify-rows.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * For a rollback: rows with values that open under both keys, which the run that is taken back has rotated. Read with the
 * new key, their content has the digest that this run took before it encrypted them, which no other key yields.
 */
export async function rotatedBefore(
  { checkpoint, from }: WorkerContext,
  { options: { takesBack } }: Run,
  target: PreparedTarget,
  name: string,
  rows: readonly Row[],
  { asLeft }: RotatedRows,
): Promise<ReadonlySet<number>> {
  const proven = new Set<number>();
  if (asLeft.size === 0 || takesBack === undefined || from === null) return proven;
  const places = [...asLeft.keys()];
  const doubtful = places.flatMap((place) => rows[place] ?? []);
  const read = verifyRows(target, doubtful, from, digestKey(from.primary, takesBack, name));
  const digests = new ChunkDigests(checkpoint, takesBack, new CheckpointMac(from.primary, takesBack));
  for await (const packed of digests.ofTarget(name)) {
    const known = unpackDigests([packed]);
    places.forEach((place, i) => {
      const row = read[i];
      if (row === undefined || row.closed.length > 0 || !row.opened) return;
      if (known.get(row.id) === row.digest) proven.add(place);
    });
  }
  return proven;
}
