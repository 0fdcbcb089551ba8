import { openHistory, runNamed } from '../checkpoint/history.ts';
import type { Run } from '../checkpoint/run.ts';
import { KeyturnError } from '../error.ts';
import { retryExceptions } from '../rotation/finish-run.ts';
import { defineCommand } from './command.ts';
import { attachmentsOptions } from './options/attachments.ts';
import { coordinatorOptions, givenCoordinating } from './options/coordinator.ts';
import {
  currentKeyOptions,
  databaseOptions,
  decideOptions,
  forceOptions,
  memoryOptions,
  nestedOptions,
  newKeyOptions,
  reportOptions,
  runOptions,
  workerOptions,
} from './options/options.ts';
import { givenOptions } from './options/run.ts';
import { continueRun } from './steps/continue-run.ts';
import { withDatabase, withRunLock } from './steps/opened.ts';

export const exceptionsRetry = defineCommand({
  words: ['exceptions retry'],
  describe: 'retry the exceptions of a finished run after their cause is fixed',
  epilogue: `Needs both keys of that run. For an unfinished run, keyturn resume retries the exceptions.

Example:
  keyturn exceptions retry --database sqlite:database.sqlite \\
    --current-key-file old.key --new-key-file new.key`,
  options: {
    ...databaseOptions,
    ...runOptions,
    ...decideOptions,
    ...attachmentsOptions,
    ...forceOptions,
    ...currentKeyOptions,
    ...newKeyOptions,
    ...workerOptions,
    ...memoryOptions,
    ...nestedOptions,
    ...coordinatorOptions,
    ...reportOptions,
  },
  async run(context, args) {
    const coordinating = await givenCoordinating(context, args);
    return withDatabase(context, args, (opened) =>
      withRunLock(opened.database, async (lock) => {
        const run = runNamed(await openHistory(opened.database), args.run);
        assertRetriable(run);
        return continueRun(context, opened, lock, {
          run,
          changed: givenOptions(args),
          args: { ...args, ...coordinating },
          finish: retryExceptions,
        });
      }),
    );
  },
});

function assertRetriable({ id, state }: Run): void {
  if (state === 'verified-with-exceptions') return;
  const finished = state === 'verified';
  throw new KeyturnError(
    'run-state',
    finished ? `run ${id} has no exceptions` : `run ${id} is not finished (${state})`,
    {
      hint: finished ? 'there is nothing to retry' : 'use keyturn resume, which retries its exceptions',
    },
  );
}
