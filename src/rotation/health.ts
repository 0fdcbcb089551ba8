import type { Chunk } from '../checkpoint/chunk.ts';
import type { ExceptionTable } from '../checkpoint/exception-table.ts';
import type { Run } from '../checkpoint/run.ts';
import { chunkFailed, tooManyExceptions } from './setback.ts';

/**
 * The run may go on: no chunk has failed, and there are not too many exceptions.
 *
 * @param failed a chunk that failed for good
 * @throws KeyturnError `chunk-failed`, `checkpoint-altered`, `exceptions`
 */
export async function assertHealthy(
  run: Run,
  failed: Chunk | undefined,
  exceptions: ExceptionTable,
): Promise<void> {
  if (failed !== undefined) throw chunkFailed(run, failed);
  if (run.state !== 'rotating') return;
  const { onException, maxExceptions } = run.options;
  // The next scan finds a difference again if it is still there; an undecided place may stay until a person decides
  const open = await exceptions.countOpen({ but: ['digest-differs', 'unproven', 'undecided-place'] });
  if (open <= (onException === 'stop' ? 0 : maxExceptions)) return;
  const nested = await exceptions.countOpen({ only: ['nested'] });
  throw tooManyExceptions({ open, nested }, run.options);
}
