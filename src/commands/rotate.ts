import { openHistory, retiredKeyIds, unfinishedRun } from '../checkpoint/history.ts';
import type { Run } from '../checkpoint/run.ts';
import type { RunLock } from '../databases/database.ts';
import { assertWide } from '../inventory/widths.ts';
import { changesFormat } from '../job/job.ts';
import type { LoadedJob } from '../job/load.ts';
import { count } from '../report/count.ts';
import { type BeginStep, beginRun } from '../rotation/begin-run.ts';
import { finishRun } from '../rotation/finish-run.ts';
import type { Pace } from '../rotation/pace/pace.ts';
import { unlessStopped } from '../rotation/unless-stopped.ts';
import { type Arguments, type CommandResult, type Context, defineCommand } from './command.ts';
import { attachmentsOptions, attachmentsWords } from './options/attachments.ts';
import {
  type Coordinating,
  coordinatorOptions,
  coordinatorWords,
  givenCoordinating,
} from './options/coordinator.ts';
import {
  acceptOptions,
  applicationEnvOptions,
  authorityOptions,
  consentOptions,
  currentKeyOptions,
  databaseOptions,
  decideOptions,
  dryRunOptions,
  forceOptions,
  jobOptions,
  masterKeyOptions,
  newKeyOptions,
  paceOptions,
  reportOptions,
  storeKeyOptions,
  unprovenOptions,
  upgradeOptions,
} from './options/options.ts';
import { assertMayBegin, givenPace, holdOptions, holdWords } from './options/pace.ts';
import { refuseQueue } from './options/queue.ts';
import { acceptedRows, authorityOf, givenOptions, newRunOptions } from './options/run.ts';
import { assertAlone } from './steps/alone.ts';
import { concludeRun } from './steps/conclusion.ts';
import { askConsent, assertConsent, type Consent } from './steps/consent.ts';
import { continueRun } from './steps/continue-run.ts';
import { rotateDry } from './steps/dry-run.ts';
import { jobNamed } from './steps/job-named.ts';
import { keyFiles, keyWords } from './steps/key-files.ts';
import { planNewKey } from './steps/key-sources.ts';
import { type Opened, withDatabase, withRunLock } from './steps/opened.ts';
import { type PreparedRun, prepareRun } from './steps/prepared-run.ts';
import { assertReportFolder } from './steps/report-files.ts';
import { siteOf, withSite } from './steps/run-site.ts';
import { assertNoRollback, assertNotCancelled } from './steps/unfinished-run.ts';

const options = {
  ...jobOptions,
  ...decideOptions,
  ...attachmentsOptions,
  ...databaseOptions,
  ...applicationEnvOptions,
  ...currentKeyOptions,
  ...newKeyOptions,
  ...storeKeyOptions,
  ...masterKeyOptions,
  ...consentOptions,
  ...unprovenOptions,
  ...upgradeOptions,
  ...forceOptions,
  ...dryRunOptions,
  ...paceOptions,
  ...holdOptions,
  ...coordinatorOptions,
  ...acceptOptions,
  ...authorityOptions,
  ...reportOptions,
};

type Given = Arguments<typeof options> & Partial<Coordinating> & { readonly pace?: Pace };

export const rotate = defineCommand({
  words: ['rotate-master-key', 'rotate'],
  describe: 're-encrypt everything with a new master key',
  epilogue: `Stop the application first. keyturn checks everything and writes the new key to disk before the first change. If a run ends early, the same command or keyturn resume continues it. A key file contains the key in the form of the application's own configuration.

Example:
  keyturn rotate --job n8n --database sqlite:database.sqlite \\
    --current-key-file old.key --new-key-file new.key`,
  options,
  async run(context, args) {
    const loaded = jobNamed(args.job);
    const order = {
      options: { ...newRunOptions(args), ...acceptedRows(context, args) },
      authority: authorityOf(context, args),
    };
    if (args.dryRun === true) {
      refuseQueue(args);
      return withDatabase(context, args, (opened) =>
        rotateDry(context, opened, loaded, order, { ...args, pace: givenPace(args, opened.database) }),
      );
    }
    assertConsent(context, [...unproven(loaded, args), ...consents(args)]);
    const coordinating = await givenCoordinating(context, args);
    return withDatabase(context, args, (opened) =>
      withRunLock(opened.database, async (lock) => {
        const runs = await openHistory(opened.database, args.upgradeDatabase);
        const unfinished = unfinishedRun(runs);
        const pace = givenPace(args, opened.database);
        if (unfinished === undefined) {
          await assertMayBegin(pace);
          return rotateNew(context, opened, lock, loaded, runs, { ...args, ...coordinating, pace });
        }
        assertNotCancelled(unfinished);
        assertNoRollback(unfinished);
        context.terminal.say(
          `run ${unfinished.id} is unfinished (${unfinished.state}): resuming it with its own job`,
        );
        await askConsent(context, consents(args));
        return continueRun(context, opened, lock, {
          run: unfinished,
          changed: { ...givenOptions(args), ...acceptedRows(context, args) },
          args: { ...args, ...coordinating, pace },
        });
      }),
    );
  },
});

async function rotateNew(
  context: Context,
  opened: Opened,
  lock: RunLock,
  loaded: LoadedJob,
  runs: readonly Run[],
  args: Given,
): Promise<CommandResult> {
  const { database } = opened;
  const { signal, terminal } = context;
  const retired = retiredKeyIds(runs);
  const prepared = await unlessStopped(
    signal,
    prepareRun(
      context,
      database,
      loaded,
      runs,
      args,
      (current, job) =>
        planNewKey(context, args, { current, name: job.name, retired, maySame: changesFormat(job) }, job),
      ({ path, mustWrite }) => (mustWrite ? `to be written to ${path}` : `in ${path}`),
    ),
  );
  const { job, current, next, found, derived } = prepared;
  if (terminal.interactive && loaded.file.about !== undefined)
    terminal.say(`\n${loaded.file.about.trim()}\n`);
  assertWide(found.widths, args.upgradeDatabase);
  await assertAlone(context, database, args.force);
  await askConsent(context, [...unproven(loaded, args), ...consents(args, prepared)]);
  await assertReportFolder(context, args);
  const rotation = {
    current,
    next,
    found,
    derived,
    options: { ...newRunOptions(args), ...acceptedRows(context, args) },
    authority: authorityOf(context, args),
    upgradeDatabase: args.upgradeDatabase,
  };
  const run = await beginRun(siteOf(context, opened, args), lock, rotation, (done) =>
    terminal.say(preparedLine(done, job.title)),
  );
  const keys = { current, next: next.key };
  const conclusion = {
    database,
    newKeyFile: next.path,
    currentKeyFile: keyFiles(args.currentKeyFile, job).master[0],
    report: args,
    repeated: [
      ...keyWords(args, job, next.path),
      ...attachmentsWords(args),
      ...holdWords(args),
      ...coordinatorWords(args),
    ],
    hooks: args.hooks,
  };
  return concludeRun(context, conclusion, run, () =>
    withSite(context, opened, args, (site) => finishRun(site, lock, run, keys)),
  );
}

function preparedLine(done: BeginStep, title: string): string {
  if ('secretsFile' in done)
    return `secrets that ${title} would derive from the new key are saved in ${done.secretsFile}: ${done.settings.join(', ')}`;
  const { table, column, width, needed } = done.widened;
  return `${table}.${column} was widened from ${width} to ${needed}`;
}

/** A job that may miss a place: what it misses stays under the old key. */
function unproven({ file }: LoadedJob, args: Given): Consent[] {
  if (!file.unproven) return [];
  return [
    {
      flag: '--unproven-job',
      given: args.unprovenJob,
      question: `The job for ${file.title} was not compared with its source and may miss a table or column. Have you compared it with your version`,
    },
  ];
}

function consents(args: Given, prepared?: PreparedRun): Consent[] {
  const rows = prepared?.found.inventory.targets.reduce((sum, target) => sum + target.rows, 0);
  const what =
    prepared === undefined
      ? 'Continue this run'
      : `Re-encrypt ${count(rows ?? 0, 'row')} with key ${prepared.next.key.id}`;
  return [
    {
      flag: '--iHaveBackedUpMyDatabase',
      given: args.iHaveBackedUpMyDatabase,
      question: 'Is there a backup of this database that can be restored, and is the application stopped?',
    },
    {
      flag: '--iReallyWantToRotateMyMasterKey',
      given: args.iReallyWantToRotateMyMasterKey,
      question: `${what}? Afterwards the old key decrypts nothing in this database`,
    },
  ];
}
