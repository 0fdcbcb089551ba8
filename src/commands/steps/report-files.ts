import type { KeyObject } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Knex } from 'knex';
import { altered } from '../../checkpoint/mac.ts';
import { isFinished } from '../../checkpoint/run.ts';
import { RunTable } from '../../checkpoint/run-table.ts';
import { KeyturnError } from '../../error.ts';
import { isVirtual } from '../../plain-file.ts';
import { buildReport, type Report } from '../../report/report.ts';
import { type ReportFiles, writeReport } from '../../report/write.ts';
import type { Context } from '../command.ts';
import { warn } from './key-sources.ts';
import { privateKeyOf } from './signing-key.ts';

export interface WrittenReport {
  readonly report: Report;
  /** Absolute paths; null when they could not be written, after a warning. */
  readonly files: ReportFiles | null;
}

/** Where the report goes, and who signs it. */
export interface ReportArguments {
  readonly reportDir?: string | undefined;
  readonly signKey?: string | undefined;
}

const standard = 'keyturn-reports';

/** Checks before the first change that the report can be written and signed. Throws `bad-option`. */
export async function assertReportFolder(
  { folder }: Context,
  { reportDir, signKey }: ReportArguments,
): Promise<void> {
  signKeyOf(folder, signKey);
  const path = resolve(folder, reportDir ?? standard);
  if (isVirtual(path)) throw unwritable(path, undefined);
  try {
    // The slash: a file in the place of a folder is an error too
    await access(`${existing(path)}/`, constants.W_OK);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** The path, or the nearest folder above it that there is. */
function existing(path: string): string {
  const above = dirname(path);
  return existsSync(path) || above === path ? path : existing(above);
}

function unwritable(path: string, cause: unknown): KeyturnError {
  return new KeyturnError('bad-option', `the report could not be written to ${path}`, {
    hint: 'choose another --report-dir; nothing was changed',
    cause,
  });
}

function signKeyOf(folder: string, path: string | undefined): KeyObject | null {
  return path === undefined ? null : privateKeyOf(resolve(folder, path));
}

/** The id is part of a path, and somebody may have edited it. */
function assertFileName(runId: string): void {
  if (!/^[A-Za-z0-9-]+$/.test(runId)) throw altered(runId, 'its id');
}

/** Writes the report of a run. For a finished run the history records that, because `forget` requires it. */
export async function writeRunReport(
  { folder, log }: Context,
  checkpoint: Knex,
  runId: string,
  { reportDir, signKey }: ReportArguments,
  authenticated = false,
): Promise<WrittenReport & { readonly files: ReportFiles }> {
  assertFileName(runId);
  const report = await buildReport(checkpoint, runId, authenticated);
  const files = await writeReport(
    resolve(folder, reportDir ?? `${standard}/${runId}`),
    report,
    signKeyOf(folder, signKey),
  );
  log.info({ run: runId, files }, 'report written');
  const reported = report.history.some(({ event }) => event === 'reported');
  if (isFinished(report.run.state) && !reported) await new RunTable(checkpoint).record(runId, 'reported');
  return { report, files };
}

/** Writes the report at the end of a run. If it cannot be written, the result must still be printed. */
export async function reportRun(
  context: Context,
  checkpoint: Knex,
  runId: string,
  to: ReportArguments,
  authenticated: boolean,
): Promise<WrittenReport> {
  try {
    return await writeRunReport(context, checkpoint, runId, to, authenticated);
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error;
    warn(context, `${error.message}; ${error.hint ?? ''}`);
    return { report: await buildReport(checkpoint, runId, authenticated), files: null };
  }
}
