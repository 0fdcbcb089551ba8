import { type Chunk, chunkTimeout } from '../checkpoint/chunk.ts';
import { alteredAs } from '../checkpoint/mac.ts';
import type { Run } from '../checkpoint/run.ts';
import type { Database } from '../databases/database.ts';
import { diskFull } from '../databases/disk-full.ts';
import { isDiskFull } from '../databases/open.ts';
import { KeyturnError } from '../error.ts';

/** What ends a session before the run is at its end; a resume goes on. */

export function chunkFailed(run: Run, failed: Chunk): KeyturnError {
  if (failed.error?.code === 'checkpoint-altered') return alteredAs(run.id, failed.error.text);
  return new KeyturnError('chunk-failed', `${nameOf(failed)} failed: ${failed.error?.text ?? ''}`, {
    hint: 'mend the cause, then keyturn resume',
    facts: { target: failed.target, chunk: failed.chunk },
  });
}

/** A chunk of one row is called by the row, so that the bad one is named. */
function nameOf({ chunk, target, range, error, rowIds }: Chunk): string {
  const row = error?.code === chunkTimeout ? (rowIds?.[0] ?? range.upTo) : null;
  return row === null ? `chunk ${chunk} of ${target}` : `row ${row.join(', ')} of ${target}`;
}

export function tooManyExceptions(
  open: number,
  { onException, maxExceptions }: Run['options'],
): KeyturnError {
  const allowed = onException === 'stop' ? '' : `, ${maxExceptions} are allowed`;
  return new KeyturnError(
    'exceptions',
    `${open} value${open === 1 ? '' : 's'} could not be opened${allowed}`,
    {
      hint: 'see keyturn exceptions list; mend them and keyturn resume, or resume with --on-exception skip',
    },
  );
}

/**
 * What a database may come to at any moment, by its name; anything else as it was thrown. The coordinator's own
 * statements are not tried again: somebody else may have taken over meanwhile.
 *
 * @param next what the user does once that is mended.
 */
export function foreseen(database: Database, thrown: unknown, next = 'go on with keyturn resume'): unknown {
  // A lost run lock has a lost connection for its cause, and is more than that: somebody else may hold it now
  if (thrown instanceof KeyturnError) return thrown;
  if (database.failures.isTransient(thrown))
    return new KeyturnError('database-lost', 'the database went away', {
      hint: `when it is back, ${next}`,
      cause: thrown,
    });
  return isDiskFull(thrown) ? diskFull(thrown, next) : thrown;
}

export function stillWriting(run: Run): KeyturnError {
  return new KeyturnError(
    'late-rows',
    `after ${run.round} scans there are still new rows under the old key`,
    {
      hint: 'something writes with the old key: stop the application, then keyturn resume',
    },
  );
}

/** Somebody, or a window, asked for it. */
export function endOf(code: 'stopped' | 'window-closed' | 'cancelled', reason: string): KeyturnError {
  return new KeyturnError(code, reason, { hint: 'go on with keyturn resume' });
}

/** The state that a run is left in. */
export function stateAfter(code: string): 'cancelled' | 'paused' | 'failed' {
  if (code === 'cancelled') return 'cancelled';
  return code === 'stopped' || code === 'window-closed' ? 'paused' : 'failed';
}
