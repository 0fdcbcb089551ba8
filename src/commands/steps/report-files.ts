import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Knex } from 'knex';
import { isFinished } from '../../checkpoint/run.ts';
import { RunTable } from '../../checkpoint/run-table.ts';
import { KeyturnError } from '../../error.ts';
import { buildReport, type Report } from '../../report/report.ts';
import { writeReport } from '../../report/write.ts';
import type { Context } from '../command.ts';
import { warn } from './key-sources.ts';

export interface WrittenReport {
  readonly report: Report;
  /** Absolute paths; null when they could not be written, which was told. */
  readonly files: { readonly text: string; readonly json: string } | null;
}

const standard = 'keyturn-reports';

/** Before the first change: a folder that cannot be written is told while nothing has happened. */
export async function assertReportFolder({ folder }: Context, reportDir: string | undefined): Promise<void> {
  const path = resolve(folder, reportDir ?? standard);
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.W_OK);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function unwritable(path: string, cause: unknown): KeyturnError {
  return new KeyturnError('bad-option', `the report could not be written to ${path}`, {
    hint: 'name another --report-dir; nothing was touched',
    cause,
  });
}

/** Writes the report of a run; the history of a finished one then says so, which `forget` asks for. */
export async function writeRunReport(
  { folder, log }: Context,
  checkpoint: Knex,
  runId: string,
  reportDir: string | undefined,
  authenticated = false,
): Promise<WrittenReport & { readonly files: object }> {
  const report = await buildReport(checkpoint, runId, authenticated);
  const files = await writeReport(resolve(folder, reportDir ?? `${standard}/${runId}`), report);
  log.info({ run: runId, files }, 'report written');
  const reported = report.history.some(({ event }) => event === 'reported');
  if (isFinished(report.run.state) && !reported) await new RunTable(checkpoint).record(runId, 'reported');
  return { report, files };
}

/** At the end of a run: how that went must be told even if its report cannot be written. */
export async function reportRun(
  context: Context,
  checkpoint: Knex,
  runId: string,
  reportDir: string | undefined,
  authenticated: boolean,
): Promise<WrittenReport> {
  try {
    return await writeRunReport(context, checkpoint, runId, reportDir, authenticated);
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error;
    warn(context, `${error.message}; ${error.hint ?? ''}`);
    return { report: await buildReport(checkpoint, runId, authenticated), files: null };
  }
}
