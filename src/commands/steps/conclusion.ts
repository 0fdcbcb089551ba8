import type { Knex } from 'knex';
import { ExceptionTable } from '../../checkpoint/exception-table.ts';
import { isWithin } from '../../checkpoint/known-exceptions.ts';
import type { Run } from '../../checkpoint/run.ts';
import type { Database } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import type { Hooks } from '../../hooks/hooks.ts';
import { count, thousands } from '../../report/count.ts';
import type { Report } from '../../report/report.ts';
import { progressOf } from '../../report/standing.ts';
import type { LocalRun } from '../../rotation/local-run.ts';
import { within } from '../../within.ts';
import type { CommandResult, Context } from '../command.ts';
import { exceptionLine } from './exception-lines.ts';
import { type ReportArguments, reportRun, type WrittenReport } from './report-files.ts';
import { RunFailure } from './run-failure.ts';
import { shellWord } from './shell-words.ts';

const shownExceptions = 20;
/** How long to try to report a failed run, because an unreachable database may never respond. */
const reportMs = 20_000;

/** What the commands that rotate know about a run beyond its row. */
export interface Conclusion {
  readonly database: Database;
  readonly newKeyFile: string;
  readonly currentKeyFile: string | undefined;
  readonly report: ReportArguments;
  /** Options to repeat in the command that resumes the run. */
  readonly repeated: readonly string[];
  readonly hooks?: Hooks | undefined;
}

/** Finishes a run, writes its report however it ended, and prints what to do next. */
export async function concludeRun(
  context: Context,
  { database, newKeyFile, currentKeyFile, report: to, repeated, hooks }: Conclusion,
  run: Run,
  finish: () => Promise<Run>,
): Promise<CommandResult> {
  let finished: Run;
  await hooks?.fire('start', { run: run.id, state: run.state });
  try {
    finished = await finish();
  } catch (error) {
    const resume = resumeCommand(database, repeated);
    const written = await tryReport(context, database.knex, run.id, to);
    if (written !== null) {
      for (const line of exceptionLines(written.report)) context.terminal.say(line);
      if (written.files !== null) context.terminal.say(`report: ${written.files.text}`);
    }
    context.terminal.say(resumeLine(error, written), resume);
    await hooks?.settled();
    await fireEnd(hooks, run.id, written);
    throw new RunFailure({ ...documentOf(written), resume }, { cause: error });
  }
  const written = await reportRun(context, database.knex, finished.id, to, true);
  await fireEnd(hooks, finished.id, written);
  const { document, lines, steps } =
    finished.kind === 'rollback'
      ? afterRollback(finished, currentKeyFile ?? '')
      : afterRotation(finished, newKeyFile);
  return {
    exitCode: exitCodeOf(written.report),
    document: { ...documentOf(written), ...document, afterwards: steps },
    text: [
      ...reportLines(written),
      ...lines,
      ...(steps.length === 0
        ? []
        : ['', 'Next steps:', ...steps.map((step, i) => `${String(i + 1).padStart(2)}. ${step}`)]),
      '',
    ].join('\n'),
  };
}

/** Where the key is that the application needs now, and what is left to do by hand. */
interface Afterwards {
  readonly document: object;
  readonly lines: readonly string[];
  readonly steps: readonly string[];
}

function afterRotation({ job, toKeyId, inventory }: Run, newKeyFile: string): Afterwards {
  const kept = inventory.derived?.file ?? null;
  return {
    document: { newKeyFile, derivedSecretsFile: kept },
    lines: [
      `${job.only === undefined ? 'new key: ' : 'key:     '} ${toKeyId} in ${newKeyFile}`,
      ...(kept === null
        ? []
        : [
            `secrets:  ${kept} (set only those that ${job.title} does not have set already, and keep them set for good)`,
          ]),
    ],
    steps: job.afterwards.map((step) =>
      step.replaceAll('{newKeyFile}', newKeyFile).replaceAll('{newKeyId}', toKeyId).trim(),
    ),
  };
}

function afterRollback({ job, toKeyId }: Run, oldKeyFile: string): Afterwards {
  return {
    document: { oldKeyFile },
    lines: [`old key:  ${toKeyId} in ${oldKeyFile}`],
    steps: (job.afterRollback ?? []).map((step) =>
      step.replaceAll('{oldKeyFile}', oldKeyFile).replaceAll('{oldKeyId}', toKeyId).trim(),
    ),
  };
}

/** Writes the report of a run whose checkpoint is a local file, and removes that file. */
export async function concludeLocal(
  context: Context,
  { run, checkpoint, problem }: LocalRun,
  to: ReportArguments,
  exitCode: (report: Report) => Promise<0 | 3 | 5> = async (report) => exitCodeOf(report),
): Promise<CommandResult> {
  try {
    const written = await reportRun(context, checkpoint.database.knex, run.id, to, problem === null);
    const lines = reportLines(written);
    if (problem === null) {
      const document = documentOf(written);
      return { exitCode: await exitCode(written.report), document, text: `${lines.join('\n')}\n` };
    }
    for (const line of lines.slice(1)) context.terminal.say(line);
    throw new RunFailure(documentOf(written), { cause: problem });
  } finally {
    await checkpoint.remove();
  }
}

/** A value that cannot be decrypted is a failure here, unless the rotation has already listed it as an exception. */
export async function concludeVerification(
  context: Context,
  local: LocalRun,
  reference: { readonly run: Run; readonly database: Database } | null,
  to: ReportArguments,
): Promise<CommandResult> {
  return concludeLocal(context, local, to, async (report) => {
    const code = exitCodeOf(report);
    if (code !== 3) return code;
    const known = reference && new ExceptionTable(reference.database.knex, reference.run.id);
    const found = new ExceptionTable(local.checkpoint.database.knex, local.run.id);
    return known !== null && (await isWithin(found, known)) ? 3 : 5;
  });
}

/** Counts, exceptions, and where the report is. */
function reportLines({ report, files }: WrittenReport): string[] {
  const { totals, verdict, run } = report;
  const { tally } = totals.ranges;
  const parts = [
    `${count(tally.rotated, 'value')} rotated`,
    `${thousands(tally.current)} already current`,
    `${thousands(tally.empty)} empty`,
    `${thousands(tally.lookAlikes)} look-alikes`,
    `${thousands(totals.exceptions)} exceptions`,
  ];
  const { rows, proven, changed, new: fresh, gone } = totals.verification;
  return [
    verdict.text,
    `run:      ${run.id} (${report.database})`,
    ...(run.kind === 'verification' ? [] : [`rows:     ${count(tally.rows, 'row')}, ${parts.join(', ')}`]),
    ...(totals.sweeps.chunks === 0 ? [] : [againLine(totals.sweeps.tally)]),
    ...(run.kind === 'dry-run'
      ? []
      : [
          `verified: ${count(rows, 'row')}, ${thousands(proven)} proven unchanged, ${thousands(changed)} changed since, ${thousands(fresh)} new, ${thousands(gone)} deleted`,
        ]),
    ...exceptionLines(report),
    ...(files === null
      ? []
      : [`report:   ${files.text}`, `          ${files.html}`, `          ${files.json}`]),
  ];
}

export function documentOf(written: WrittenReport | null): object {
  return written === null ? {} : { report: written.report, files: written.files };
}

/** Rows of sweeps: retried, or written during the run. */
function againLine({ rows, rotated, exceptions }: Report['totals']['sweeps']['tally']): string {
  return `again:    ${count(rows, 'row')} retried or written during the run, ${count(rotated, 'value')} rotated, ${thousands(exceptions)} exceptions`;
}

function exitCodeOf({ verdict }: Report): 0 | 3 | 5 {
  switch (verdict.result) {
    case 'verified':
    case 'rehearsed':
      return 0;
    case 'verified-with-exceptions':
    case 'rehearsed-with-exceptions':
    case 'superseded':
    case 'unfinished':
      return 3;
    case 'verification-failed':
    case 'does-not-reconcile':
      return 5;
  }
}

function exceptionLines({ exceptions: { count: all, listed } }: Report): string[] {
  if (all === 0) return [];
  const shown = listed.slice(0, shownExceptions);
  return [
    `${count(all, 'exception')}:`,
    ...shown.map((exception) => `  ${exceptionLine(exception)}`),
    ...(all > shown.length ? [`  and ${thousands(all - shown.length)} more: keyturn exceptions list`] : []),
  ];
}

/** A report that cannot be written must not hide the error of the run. */
async function tryReport(
  context: Context,
  checkpoint: Knex,
  run: string,
  to: ReportArguments,
): Promise<WrittenReport | null> {
  try {
    return await within(reportMs, reportRun(context, checkpoint, run, to, false));
  } catch (error) {
    context.log.error({ run, error: (error as Error).name }, 'the report could not be written');
    return null;
  }
}

/** A paused run fires `pause`, any other end fires `end`. */
async function fireEnd(hooks: Hooks | undefined, run: string, written: WrittenReport | null): Promise<void> {
  const { state, reason } = written?.report.run ?? { state: 'unknown', reason: null };
  await hooks?.fire(state === 'paused' ? 'pause' : 'end', {
    run,
    state,
    reason: reason === null ? '' : `${reason.code}: ${reason.text}`,
    exceptions: written?.report.exceptions.count ?? 0,
    report: written?.files?.json ?? '',
  });
}

/** Before the command that resumes the run. After a closed window, which is no failure, also the progress of the run. */
function resumeLine(error: unknown, written: WrittenReport | null): string {
  if (!(error instanceof KeyturnError) || error.code !== 'window-closed' || written === null)
    return 'resume with:';
  const { stage, percent } = progressOf(written.report);
  const done = stage === 'rotated' ? `${percent}% done` : `all rotated, ${percent}% verified`;
  const why = error.message.startsWith('window closed') ? 'window closed' : error.message;
  return `${why}, ${done}, resume with:`;
}

/** The command that resumes the run; it contains no password and no key. */
function resumeCommand(database: Database, options: readonly string[]): string {
  return ['keyturn', 'resume', '--database', database.place, ...options].map(shellWord).join(' ');
}
