import { openHistory, runNamed, unfinishedRun } from '../checkpoint/history.ts';
import { isFinished, type Run } from '../checkpoint/run.ts';
import { KeyturnError } from '../error.ts';
import { defineCommand } from './command.ts';
import { attachmentsOptions } from './options/attachments.ts';
import { coordinatorOptions, givenCoordinating } from './options/coordinator.ts';
import {
  acceptOptions,
  currentKeyOptions,
  databaseOptions,
  decideOptions,
  forceOptions,
  newKeyOptions,
  paceOptions,
  reportOptions,
  runOptions,
  signatureOptions,
  upgradeOptions,
} from './options/options.ts';
import { givenPace, holdOptions } from './options/pace.ts';
import { acceptedRows, givenOptions } from './options/run.ts';
import { continueRun } from './steps/continue-run.ts';
import { withDatabase, withRunLock } from './steps/opened.ts';

export const resume = defineCommand({
  words: ['resume'],
  describe: 'continue an unfinished run, in a new process, on any host',
  epilogue: `The run continues with the job that is stored with it, and needs the keys that it was started with. Options given here replace those of the run.

Example:
  keyturn resume --database sqlite:database.sqlite \\
    --current-key-file old.key --new-key-file new.key`,
  options: {
    ...databaseOptions,
    ...runOptions,
    ...decideOptions,
    ...attachmentsOptions,
    ...currentKeyOptions,
    ...newKeyOptions,
    ...upgradeOptions,
    ...forceOptions,
    ...paceOptions,
    ...holdOptions,
    ...coordinatorOptions,
    ...acceptOptions,
    ...signatureOptions,
    ...reportOptions,
  },
  async run(context, args) {
    const changed = { ...givenOptions(args), ...acceptedRows(context, args) };
    const coordinating = await givenCoordinating(context, args);
    return withDatabase(context, args, (opened) =>
      withRunLock(opened.database, async (lock) => {
        const pace = givenPace(args, opened.database);
        const runs = await openHistory(opened.database, args.upgradeDatabase);
        const run = unfinished(runs, args.run);
        context.terminal.say(`resuming run ${run.id} (${run.state})`);
        return continueRun(context, opened, lock, {
          run,
          changed,
          args: { ...args, ...coordinating, pace },
        });
      }),
    );
  },
});

function unfinished(runs: readonly Run[], id: string | undefined): Run {
  if (id === undefined) {
    const run = unfinishedRun(runs);
    if (run !== undefined) return run;
    throw new KeyturnError('run-unknown', 'this database has no unfinished run', {
      hint: 'keyturn status shows its runs',
    });
  }
  const run = runNamed(runs, id);
  if (!isFinished(run.state)) return run;
  throw new KeyturnError('run-state', `run ${id} is finished (${run.state})`, {
    hint: 'use keyturn exceptions retry for its exceptions, or keyturn verify to verify it again',
  });
}
