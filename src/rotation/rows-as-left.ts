import type { Chunk } from './chunk.ts';
import { ChunkTable } from './chunk-table.ts';
import { digestBytes, digestKey, entryBytes, unpackDigests } from './digest.ts';
import type { PreparedTarget } from './field-values.ts';
import type { RotatedRows } from './rotate-rows.ts';
import type { Run } from './run.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * Of a sweep, the rows with values that open under both keys, but are what their range was left with: all was under the
 * old key then, and what was not rotated still is. Told by the digest that the range's chunk took, never by a later one.
 */
export async function rowsAsLeft(
  { checkpoint, to }: WorkerContext,
  run: Run,
  { target }: PreparedTarget,
  { target: name, rowIds, parent }: Chunk,
  rotated: RotatedRows,
): Promise<ReadonlySet<number>> {
  const ambiguous = rowIds === null ? [] : rotated.ambiguous;
  if (ambiguous.length === 0 || parent === null || target.onlyVerified === true) return new Set();
  const known = unpackDigests(await new ChunkTable(checkpoint, run.id).rangeDigests(parent));
  const asLeft = rotated.digestsAsLeft(digestKey(to.primary, run.id, name), ambiguous);
  return new Set(
    ambiguous.filter((_, i) => {
      const entry = asLeft.subarray(i * entryBytes, (i + 1) * entryBytes);
      return known.get(entry.toString('latin1', 0, digestBytes)) === entry.toString('latin1', digestBytes);
    }),
  );
}
