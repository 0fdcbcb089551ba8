import { type Chunk, chunkTimeout } from '../checkpoint/chunk.ts';
import { alteredAs } from '../checkpoint/mac.ts';
import type { Request, Run } from '../checkpoint/run.ts';
import type { Database } from '../databases/database.ts';
import { diskFull } from '../databases/disk-full.ts';
import { isDiskFull } from '../databases/open.ts';
import { KeyturnError } from '../error.ts';

/** Errors that end a session before the run is finished. It can be resumed. */

export function chunkFailed(run: Run, failed: Chunk): KeyturnError {
  if (failed.error?.code === 'checkpoint-altered') return alteredAs(run.id, failed.error.text);
  return new KeyturnError('chunk-failed', `${nameOf(failed)} failed: ${failed.error?.text ?? ''}`, {
    hint: 'fix the cause, then run keyturn resume',
    facts: { target: failed.target, chunk: failed.chunk },
  });
}

/** A chunk of one row is named by its row, so that the operator finds it. */
function nameOf({ chunk, target, range, error, rowIds }: Chunk): string {
  const row = error?.code === chunkTimeout ? (rowIds?.[0] ?? range.upTo) : null;
  return row === null ? `chunk ${chunk} of ${target}` : `row ${row.join(', ')} of ${target}`;
}

export function tooManyExceptions(
  { open, nested }: { readonly open: number; readonly nested: number },
  { onException, maxExceptions }: Run['options'],
): KeyturnError {
  const allowed = onException === 'stop' ? '' : `, at most ${maxExceptions} allowed`;
  return new KeyturnError(
    'exceptions',
    `${open} value${open === 1 ? '' : 's'} could not be decrypted${allowed}`,
    {
      hint: `keyturn exceptions list shows them; ${nested > 0 ? `${nested} of them are encrypted twice: use keyturn resume with --nested rotate or --nested unwrap; ` : ''}fix them and run keyturn resume, or resume with --on-exception skip`,
    },
  );
}

/**
 * A lost database and a full disk as errors with a code; any other error unchanged. The coordinator's own statements are
 * not tried again, because another coordinator may have taken over in the meantime.
 *
 * @param next what the user does after fixing the cause.
 */
export function foreseen(
  database: Database,
  thrown: unknown,
  next = 'continue with keyturn resume',
): unknown {
  // A lost run lock is caused by a lost connection, but it is worse: another process may hold the lock now
  if (thrown instanceof KeyturnError) return thrown;
  if (database.failures.isLocked(thrown))
    return new KeyturnError('table-locked', 'another session holds a lock that keyturn waits for', {
      hint: `end that session, then ${next}`,
      cause: thrown,
    });
  if (database.failures.isTransient(thrown))
    return new KeyturnError('database-lost', 'the connection to the database was lost', {
      hint: `when the database can be reached again, ${next}`,
      cause: thrown,
    });
  return isDiskFull(thrown) ? diskFull(thrown, next) : thrown;
}

export function stillWriting(run: Run): KeyturnError {
  return new KeyturnError(
    'late-rows',
    `there are still new rows under the old key after ${run.round} scans`,
    {
      hint: 'an application still writes with the old key: stop it, then run keyturn resume',
    },
  );
}

/** Throws if the process or the run was asked to stop. */
export function assertNotAsked(signal: AbortSignal, requested: Request | null): void {
  if (signal.aborted) throw endOf('stopped', `stopped by ${String(signal.reason)}`);
  if (requested === 'pause') throw endOf('stopped', 'paused by keyturn pause');
  if (requested === 'cancel') throw endOf('cancelled', 'cancelled by keyturn cancel');
}

/** A user or a window asked for it. */
export function endOf(code: 'stopped' | 'window-closed' | 'cancelled', reason: string): KeyturnError {
  return new KeyturnError(code, reason, { hint: 'continue with keyturn resume' });
}

/** The state of a run after an error with this code. */
export function stateAfter(code: string): 'cancelled' | 'paused' | 'failed' {
  if (code === 'cancelled') return 'cancelled';
  return code === 'stopped' || code === 'window-closed' ? 'paused' : 'failed';
}
