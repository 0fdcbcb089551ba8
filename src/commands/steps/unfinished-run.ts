import type { Run } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';

/** A backup may have been restored after the run was cancelled, so continuing it needs an explicit command. */
export function assertNotCancelled({ id, state }: Run): void {
  if (state !== 'cancelled') return;
  throw new KeyturnError(
    'run-state',
    `run ${id} was cancelled: some values use the old key and some the new one`,
    {
      hint: 'continue it with keyturn resume, or go back to the old key with keyturn rollback',
      facts: { run: id },
    },
  );
}

/** It goes the other way: whoever types rotate does not mean it. */
export function assertNoRollback({ id, kind, state }: Run): void {
  if (kind !== 'rollback') return;
  throw new KeyturnError('run-unfinished', `rollback ${id} is unfinished (${state})`, {
    hint: 'finish it with keyturn resume, then rotate again',
    facts: { run: id },
  });
}
