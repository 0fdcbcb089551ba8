import { readHistory, unfinishedRun } from '../checkpoint/history.ts';
import type { Inventory } from '../checkpoint/run.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { type Estimate, estimate } from '../inventory/estimate.ts';
import { type Preflight, preflight } from '../inventory/preflight.ts';
import type { Sampled } from '../inventory/sample.ts';
import { takeInventory, uncoveredOf } from '../inventory/take-inventory.ts';
import { assertDeclared } from '../inventory/undeclared.ts';
import { assertWide, type Width, widthsOf } from '../inventory/widths.ts';
import { type Job, targetName } from '../job/job.ts';
import { generateKey, generateKeys } from '../keys/key-text.ts';
import { Keyring } from '../keys/keyring.ts';
import { sealedOtherwise } from '../report/sealed-otherwise.ts';
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
  workerOptions,
} from './options/options.ts';
import { givenWindow, windowOptions } from './options/pace.ts';
import { stillConnected } from './steps/alone.ts';
import { estimateLines } from './steps/estimate-lines.ts';
import { jobNamed } from './steps/job-named.ts';
import { askCurrentKeys, namesCurrentKey, warn } from './steps/key-sources.ts';
import { withDatabase } from './steps/opened.ts';
import { fitJob, givenDerivedContext, type JobArguments, withDerivedSecrets } from './steps/prepared-run.ts';
import { previewLines } from './steps/preview.ts';
import { RunFailure } from './steps/run-failure.ts';

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
  const { inventory, warnings } = survey;
  const connected = await stillConnected(database);
  const refusals = [...survey.refusals, ...refusedFor(connected, args.force)];
  const job = survey.found?.job ?? fitted;
  const widths = await withLongest(
    database,
    survey.found?.widths ?? (await widthsOf(database, catalog, job, new Keyring(generateKey(job.key)))),
  );
  const estimated = await estimateOf(context, database, job, survey, args);
  const unknown = [
    ...survey.unknown,
    ...(connected === 'unseen' ? ['this database user cannot see who else is connected'] : []),
  ];
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
  if (args.force === true && connected instanceof KeyturnError) warn(context, connected.message);
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

function refusedFor(
  connected: Awaited<ReturnType<typeof stillConnected>>,
  force: boolean | undefined,
): KeyturnError[] {
  return connected instanceof KeyturnError && force !== true ? [connected] : [];
}

/** What plan knows of the database. */
interface Survey {
  readonly inventory: Inventory;
  readonly warnings: readonly string[];
  readonly unknown: readonly string[];
  readonly keyId: string | null;
  /** Null: a rotation could not begin, or there is no current key. */
  readonly found: Preflight | null;
  /** Why a rotation would be refused, in the order of its checks. */
  readonly refusals: readonly KeyturnError[];
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

/** With the current key: everything that a rotation checks first, and why it would be refused. Without it: the counts only. */
async function surveyOf(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  job: Job,
  args: JobArguments,
): Promise<Survey> {
  const runs = await readHistory(database);
  const unfinished = unfinishedRun(runs);
  if (unfinished !== undefined || !namesCurrentKey(context, args)) {
    const why =
      unfinished === undefined
        ? 'without the current key, keyturn cannot check that values can be decrypted, or search for undeclared ciphertext: add --current-key-file'
        : `run ${unfinished.id} is unfinished (${unfinished.state}): continue it with keyturn resume`;
    const inventory = await takeInventory(database, catalog, job, null, attachmentsFolder(args));
    return {
      inventory,
      warnings: uncoveredOf(inventory),
      unknown: [why],
      keyId: null,
      found: null,
      refusals: [],
    };
  }
  const { current, others } = await askCurrentKeys(context, args, job);
  try {
    const keys = { current, others, next: generateKeys(job, current), generated: true };
    const found = await withDerivedSecrets(
      database,
      catalog,
      await preflight(database, catalog, job, keys, attachmentsFolder(args)),
      current,
      givenDerivedContext(args, runs, current),
    );
    const { inventory } = found;
    return {
      inventory,
      warnings: [...found.warnings, ...sealedOtherwise(inventory, found.job.everywhere?.decisions)],
      unknown: [],
      keyId: current.id,
      found,
      refusals: [() => assertDeclared(inventory.undeclared), () => assertWide(found.widths, false)].flatMap(
        refusalOf,
      ),
    };
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error;
    const inventory = await takeInventory(database, catalog, job, null, attachmentsFolder(args));
    const warnings = uncoveredOf(inventory);
    return { inventory, warnings, unknown: [], keyId: null, found: null, refusals: [error] };
  }
}

function refusalOf(check: () => void): KeyturnError[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof KeyturnError) return [error];
    throw error;
  }
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
