import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { type Estimate, estimate } from '../inventory/estimate.ts';
import type { Sampled } from '../inventory/sample.ts';
import { type Width, widthsOf } from '../inventory/widths.ts';
import { type Job, targetName } from '../job/job.ts';
import { generateKey } from '../keys/key-text.ts';
import { Keyring } from '../keys/keyring.ts';
import { windowLengthMs } from '../rotation/pace/window.ts';
import { unlessStopped } from '../rotation/unless-stopped.ts';
import { type Arguments, type CommandResult, type Context, defineCommand } from './command.ts';
import { attachmentsFolder, attachmentsOptions } from './options/attachments.ts';
import {
  applicationEnvOptions,
  count,
  currentKeyOptions,
  databaseOptions,
  decideOptions,
  forceOptions,
  groups,
  jobOptions,
  reportOptions,
  workerOptions,
} from './options/options.ts';
import { givenWindow, windowOptions } from './options/pace.ts';
import { estimateLines } from './steps/estimate-lines.ts';
import { jobNamed } from './steps/job-named.ts';
import { namesCurrentKey, warn } from './steps/key-sources.ts';
import { withDatabase } from './steps/opened.ts';
import { fitJob } from './steps/prepared-run.ts';
import { previewLines } from './steps/preview.ts';
import { RunFailure } from './steps/run-failure.ts';
import { type Survey, surveyOf } from './steps/survey.ts';

const options = {
  ...jobOptions,
  ...decideOptions,
  ...attachmentsOptions,
  ...databaseOptions,
  ...applicationEnvOptions,
  ...currentKeyOptions,
  ...workerOptions,
  ...windowOptions,
  ...forceOptions,
  ...reportOptions,
  'sample-writes': {
    type: 'boolean',
    group: groups.execution,
    describe: 'measure the write rate: write one chunk per target in a transaction that is rolled back',
  },
} as const;

type Given = Arguments<typeof options>;

export const plan = defineCommand({
  words: ['plan'],
  describe: 'show targets, row counts, column widths, estimated time and growth; changes nothing',
  epilogue: `With the current key, plan also finds ciphertext that the job does not declare, shows whether a rotation would be refused, and estimates its time and growth from a sample.

Example:
  keyturn plan --job n8n --database sqlite:database.sqlite --current-key-file old.key`,
  options,
  async run(context, args) {
    const loaded = jobNamed(args.job);
    givenWindow(args);
    assertSamplable(context, args);
    return withDatabase(context, args, ({ database }) =>
      unlessStopped(
        context.signal,
        database
          .catalog()
          .then((catalog) => planWith(context, database, catalog, fitJob(loaded, catalog, args), args)),
      ),
    );
  },
});

async function planWith(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  fitted: Job,
  args: Given,
): Promise<CommandResult> {
  const survey = await surveyOf(context, database, catalog, fitted, args);
  const { inventory, warnings, unknown, refusals } = survey;
  const job = survey.found?.job ?? fitted;
  const widths = await withLongest(
    database,
    survey.found?.widths ?? (await widthsOf(database, catalog, job, new Keyring(generateKey(job.key)))),
  );
  const estimated = await estimateOf(context, database, job, survey, args);
  const lines = [
    `${job.title} database ${database.place}`,
    ...previewLines(job, inventory),
    ...widths.map(widthLine),
    ...(survey.found?.sampled ?? []).flatMap(sampleLine),
    ...unknown,
    ...(estimated === null ? [] : estimateLines(estimated, args.window)),
  ];
  const document = {
    job: { name: job.name, title: job.title, hash: job.hash },
    database: database.place,
    keyId: survey.keyId,
    phases: job.phases,
    targets: job.targets.map((target) => ({
      target: targetName(target),
      phase: job.phases[target.phase],
      rows: inventory.targets.find((each) => each.target === targetName(target))?.rows ?? null,
      bytes: inventory.targets.find((each) => each.target === targetName(target))?.bytes,
      id: target.shape.id,
      fields: target.fields.map(({ column, format, document: carrier }) => ({
        column,
        format,
        document: carrier,
      })),
      widths: widths
        .filter(
          ({ table, column }) =>
            table === target.shape.table && target.fields.some((field) => field.column === column),
        )
        .map(({ column, width, longest, needed }) => ({ column, width, longest, needed })),
    })),
    absent: inventory.absent,
    undeclared: survey.keyId === null ? null : inventory.undeclared,
    uncovered: inventory.uncovered ?? [],
    derivedSecrets: inventory.derived ?? null,
    warnings,
    refusals: refusals.map(({ code, message, hint }) => ({ code, message, hint: hint ?? null })),
    unknown,
    sampled: survey.found?.sampled ?? null,
    estimate: estimated,
  };
  for (const warning of warnings) warn(context, warning);
  const [refusal, ...others] = refusals;
  if (refusal !== undefined) {
    for (const line of lines) context.terminal.say(line);
    for (const { message, hint } of others)
      context.terminal.say(
        `a rotation would also be refused: ${message}${hint === undefined ? '' : ` (${hint})`}`,
      );
    throw new RunFailure(document, { cause: refusal });
  }
  return { exitCode: 0, document, text: `${lines.join('\n')}\n` };
}

/** Null without the current key, or when a rotation would be refused. */
async function estimateOf(
  { cores }: Context,
  database: Database,
  job: Job,
  { found, refusals, inventory }: Survey,
  args: Given,
): Promise<Estimate | null> {
  if (found === null || refusals.length > 0) return null;
  const { from, to } = found;
  const window = givenWindow(args);
  return estimate(database, {
    job,
    inventory,
    from,
    to,
    // More threads than cores are not faster.
    workers: Math.min(count(args.workers, '--workers') ?? cores, cores),
    sampleWrites: args.sampleWrites === true,
    windowMs: window === null ? null : windowLengthMs(window),
    attachments: attachmentsFolder(args),
  });
}

function assertSamplable(context: Context, args: Given): void {
  if (args.sampleWrites !== true || namesCurrentKey(context, args)) return;
  throw new KeyturnError('bad-option', '--sample-writes needs the current key', {
    hint: 'add --current-key-file, or remove --sample-writes',
  });
}

/** With the length of the longest stored value. */
type MeasuredWidth = Width & { readonly longest: number };

async function withLongest(database: Database, widths: readonly Width[]): Promise<MeasuredWidth[]> {
  const measured = [];
  for (const width of widths)
    measured.push({ ...width, longest: await database.longest(width.table, width.column) });
  return measured;
}

/** What a sample shows of values that would stop a run; nothing where all is well. */
function sampleLine({ target, column, opened, closed, unparsed, format }: Sampled): string[] {
  const of = opened + closed + unparsed;
  const place = column === '' ? target : `${target}.${column}`;
  return [
    ...(closed > 0 ? [`${place}: ${closed} of ${of} sampled values cannot be decrypted`] : []),
    ...(unparsed > 0
      ? [`${place}: ${unparsed} of ${of} sampled values are not in the format ${format}`]
      : []),
  ];
}

function widthLine({ table, column, unit, width, longest, needed }: MeasuredWidth): string {
  const grows = needed === null || needed <= longest ? '' : `, the longest new value has at most ${needed}`;
  return `${table}.${column} holds ${width} ${unit}, the longest value has ${longest}${grows}`;
}
