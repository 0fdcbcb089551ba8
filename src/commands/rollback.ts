import { openHistory, unfinishedRun } from '../checkpoint/history.ts';
import { assertReadable, isWriting, type Run } from '../checkpoint/run.ts';
import type { RunLock } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { count } from '../report/count.ts';
import { beginRollback, optionsBack, planRollback } from '../rotation/begin-rollback.ts';
import { finishRun } from '../rotation/finish-run.ts';
import type { Pace } from '../rotation/pace/pace.ts';
import { unlessStopped } from '../rotation/unless-stopped.ts';
import { type Arguments, type CommandResult, type Context, defineCommand } from './command.ts';
import {
  type Coordinating,
  coordinatorOptions,
  coordinatorWords,
  givenCoordinating,
} from './options/coordinator.ts';
import {
  authorityOptions,
  currentKeyOptions,
  databaseOptions,
  forceOptions,
  groups,
  newKeyOptions,
  paceOptions,
  reportOptions,
} from './options/options.ts';
import { assertMayBegin, givenPace, holdOptions, holdWords } from './options/pace.ts';
import { authorityOf, givenOptions } from './options/run.ts';
import { assertAlone } from './steps/alone.ts';
import { concludeRun } from './steps/conclusion.ts';
import { askConsent, assertConsent, type Consent } from './steps/consent.ts';
import { continueRun } from './steps/continue-run.ts';
import { keyFiles, keyWords, newKeyFiles } from './steps/key-files.ts';
import { warn } from './steps/key-sources.ts';
import { type Opened, withDatabase, withRunLock } from './steps/opened.ts';
import { assertReportFolder } from './steps/report-files.ts';
import { rollbackKeys } from './steps/rollback-keys.ts';
import { siteOf, withSite } from './steps/run-site.ts';

const options = {
  ...databaseOptions,
  'current-key-file': {
    ...currentKeyOptions['current-key-file'],
    describe: 'file of the old key, as in the run that is rolled back: everything is encrypted with it again',
  },
  'new-key-file': {
    ...newKeyOptions['new-key-file'],
    describe: 'file of the new key, as in the run that is rolled back',
  },
  iHaveBackedUpMyDatabase: {
    type: 'boolean',
    group: groups.consent,
    describe: 'there is a backup that can be restored',
  },
  yes: { type: 'boolean', group: groups.consent, describe: 're-encrypt the database with the old key' },
  ...forceOptions,
  ...paceOptions,
  ...holdOptions,
  ...coordinatorOptions,
  ...authorityOptions,
  ...reportOptions,
  'current-key-command': {
    ...currentKeyOptions['current-key-command'],
    describe: 'command that prints the old key; it runs in a shell',
  },
  'new-key-command': {
    ...newKeyOptions['new-key-command'],
    describe: 'command that prints the new key',
  },
} as const;

type Given = Arguments<typeof options> & Partial<Coordinating> & { readonly pace?: Pace };

export const rollback = defineCommand({
  words: ['rollback'],
  describe: 'go back to the old key, from any state of the latest run',
  epilogue: `Stop the application first. The latest run ends, and a run of its own encrypts everything with the old key again: what that run rotated, and what the application wrote with the new key since. Give the key files as for the rotation. If the rollback ends early, the same command or keyturn resume continues it. Afterwards the new key decrypts nothing in this database.

Example:
  keyturn rollback --database sqlite:database.sqlite \\
    --current-key-file old.key --new-key-file new.key`,
  options,
  piped: ['new-key-file'],
  async run(context, args) {
    assertConsent(context, consents(args));
    const coordinating = await givenCoordinating(context, args);
    return withDatabase(context, args, (opened) =>
      withRunLock(opened.database, async (lock) => {
        const runs = await openHistory(opened.database);
        const unfinished = unfinishedRun(runs);
        const given = { ...args, ...coordinating, pace: givenPace(args, opened.database) };
        if (unfinished?.kind !== 'rollback') {
          await assertMayBegin(given.pace);
          return rollBack(context, opened, lock, latestRotation(runs), given);
        }
        context.terminal.say(`rollback ${unfinished.id} is unfinished (${unfinished.state}): resuming it`);
        await askConsent(context, consents(args));
        return continueRun(context, opened, lock, {
          run: unfinished,
          changed: givenOptions(args),
          args: given,
        });
      }),
    );
  },
});

async function rollBack(
  context: Context,
  opened: Opened,
  lock: RunLock,
  first: Run,
  args: Given,
): Promise<CommandResult> {
  const { database } = opened;
  const { terminal, signal } = context;
  assertReadable(first);
  const { current, next, oldKeyFile } = await rollbackKeys(context, args, first.job);
  const planned = await unlessStopped(signal, planRollback({ database }, first, { current, next }));
  terminal.say(`${first.job.title} database ${database.place}`);
  terminal.say(`rolling back run ${first.id} (${first.state}), from key ${current.id} to key ${next.id}`);
  for (const warning of planned.warnings) warn(context, warning);
  await assertAlone(context, database, args.force);
  const rows = planned.inventory.targets.reduce((sum, target) => sum + target.rows, 0);
  await askConsent(context, consents(args, `Re-encrypt ${count(rows, 'row')} with the old key ${next.id}`));
  await assertReportFolder(context, args);
  const run = await beginRollback(siteOf(context, opened, args), planned, oldKeyFile, {
    options: { ...optionsBack(first), ...givenOptions(args) },
    authority: authorityOf(context, args),
  });
  const conclusion = {
    database,
    newKeyFile: newKeyFiles(args.newKeyFile, first.job).master ?? '',
    currentKeyFile: keyFiles(args.currentKeyFile, first.job).master[0],
    report: args,
    repeated: [
      ...keyWords(args, first.job, newKeyFiles(args.newKeyFile, first.job).master ?? ''),
      ...holdWords(args),
      ...coordinatorWords(args),
    ],
    hooks: args.hooks,
  };
  return concludeRun(context, conclusion, run, () =>
    withSite(context, opened, args, (site) => finishRun(site, lock, run, { current, next })),
  );
}

/** Only the latest run can be taken back: what was before it is known from its row alone. */
function latestRotation(runs: readonly Run[]): Run {
  const latest = runs.find(({ kind }) => isWriting(kind));
  if (latest === undefined)
    throw new KeyturnError('run-unknown', 'this database has no run to roll back', {
      hint: 'keyturn status shows its runs',
    });
  if (latest.kind === 'rotation' && latest.job.only !== undefined) {
    throw new KeyturnError(
      'run-state',
      `the latest run ${latest.id} cannot be rolled back: it did not change the master key`,
      {
        hint: 'to go back, use keyturn data-key rotate --to legacy',
        facts: { run: latest.id },
      },
    );
  }
  if (latest.kind === 'rotation') return latest;
  throw new KeyturnError(
    'run-state',
    `the latest run ${latest.id} is a rollback and finished: the database uses key ${latest.toKeyId}`,
    {
      hint: 'start a new rotation with keyturn rotate',
      facts: { run: latest.id },
    },
  );
}

function consents(args: Given, question = 'Continue this rollback'): Consent[] {
  return [
    {
      flag: '--iHaveBackedUpMyDatabase',
      given: args.iHaveBackedUpMyDatabase,
      question: 'Is there a backup of this database that can be restored, and is the application stopped?',
    },
    {
      flag: '--yes',
      given: args.yes,
      question: `${question}? Afterwards the new key decrypts nothing in this database`,
    },
  ];
}
