import type { Chunk } from '../checkpoint/chunk.ts';
import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import type { Run } from '../checkpoint/run.ts';
import { digestBytes } from './digest.ts';
import { unpackDigests } from './known-digests.ts';
import type { RotatedRows } from './rotate-rows.ts';
import type { PreparedTarget } from './values/field-values.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * For a sweep: rows with values that open under both keys, but have not changed since the chunk of their range. All
 * values were under the old key then, and those that were not rotated still are. Compares with the digests of that
 * chunk only. None if values were under other keys too before the run: then being unchanged does not tell the key.
 */
export async function unchangedRows(
  { checkpoint, mac, from }: WorkerContext,
  run: Run,
  { target }: PreparedTarget,
  { rowIds, parent }: Chunk,
  { asLeft }: RotatedRows,
): Promise<ReadonlySet<number>> {
  if (asLeft.size === 0 || rowIds === null || parent === null || target.onlyVerified === true)
    return new Set();
  if (run.options.tryAllKeys === true || from === null || from.others.length > 0) return new Set();
  const known = unpackDigests(await new ChunkDigests(checkpoint, run.id, mac).ofRange(parent));
  const isKnown = (entry: Buffer): boolean =>
    known.get(entry.toString('latin1', 0, digestBytes)) === entry.toString('latin1', digestBytes);
  return new Set([...asLeft].flatMap(([place, entry]) => (isKnown(entry) ? [place] : [])));
}
