import type { Chunk } from '../checkpoint/chunk.ts';
import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import type { Run } from '../checkpoint/run.ts';
import { unpackDigests } from './known-digests.ts';
import type { PreparedTarget } from './values/field-values.ts';
import type { WorkerContext } from './worker-context.ts';

/**
 * Rows in which the run itself may have left values under the new key, by the digest of their id: a range is rotated once
 * and meets none, a sweep meets rows of its range. Null: others may have, before the run or in a table without digests.
 */
export async function rowsKnown(
  { checkpoint, mac }: WorkerContext,
  run: Run,
  { target }: PreparedTarget,
  { rowIds, parent }: Chunk,
): Promise<ReadonlySet<string> | null> {
  if (run.inventory.newKeyUnused !== true || target.onlyVerified === true) return null;
  if (rowIds === null || parent === null) return new Set();
  return new Set(unpackDigests(await new ChunkDigests(checkpoint, run.id, mac).of(parent)).keys());
}
