import { assertCurrentKey } from '../../checkpoint/history.ts';
import { assertReadable, type Run, type RunKeys, type RunOptions } from '../../checkpoint/run.ts';
import type { RunLock } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { changesFormat } from '../../job/job.ts';
import { type KeptKeys, resumeRun } from '../../rotation/begin-run.ts';
import { finishRun } from '../../rotation/finish-run.ts';
import type { Pace } from '../../rotation/pace/pace.ts';
import type { Site } from '../../rotation/site.ts';
import type { CommandResult, Context } from '../command.ts';
import { type AttachmentsArguments, assertAttachments, attachmentsWords } from '../options/attachments.ts';
import { type Coordinating, type CoordinatorArguments, coordinatorWords } from '../options/coordinator.ts';
import { givenDecisions } from '../options/decide.ts';
import { type HoldArguments, holdWords } from '../options/pace.ts';
import { assertAlone } from './alone.ts';
import { concludeRun } from './conclusion.ts';
import { type KeyFileArguments, keyFiles, keyWords, newKeyFiles } from './key-files.ts';
import { askCurrentKeys, planNewKey, unchangedKey, withOlder } from './key-sources.ts';
import type { Opened } from './opened.ts';
import type { ReportArguments } from './report-files.ts';
import { rollbackKeys } from './rollback-keys.ts';
import { siteOf, withSite } from './run-site.ts';

/** Arguments of the commands that continue a run. */
export interface ContinueArguments
  extends HoldArguments,
    CoordinatorArguments,
    AttachmentsArguments,
    KeyFileArguments,
    ReportArguments,
    Partial<Coordinating> {
  readonly pace?: Pace;
  readonly masterKey?: string | undefined;
  readonly decide?: readonly string[] | undefined;
  readonly force?: boolean | undefined;
  readonly workers?: string | undefined;
}

/** A run to continue, and how. */
export interface Continuation {
  readonly run: Run;
  /** Options that replace those of the run. */
  readonly changed?: Partial<RunOptions>;
  readonly args: ContinueArguments;
  /** `finishRun` by default. */
  readonly finish?: (site: Site, lock: RunLock, run: Run, keys: RunKeys) => Promise<Run>;
}

/** Continues a run of the database with its own job; requires its own keys. */
export async function continueRun(
  context: Context,
  opened: Opened,
  lock: RunLock,
  { run: found, changed = {}, args, finish = finishRun }: Continuation,
): Promise<CommandResult> {
  const { database } = opened;
  assertReadable(found);
  assertAttachments(found.job, args);
  await assertAlone(context, database, args.force);
  const keys: KeptKeys =
    found.kind === 'rollback' ? await keysBack(context, args, found) : await keysOf(context, args, found);
  const { current, next } = keys;
  const run = await resumeRun(siteOf(context, opened, args), found, keys, {
    options: changed,
    decisions: givenDecisions(found.job, args.decide),
  });
  const newKeyFile =
    found.kind === 'rollback' ? (newKeyFiles(args.newKeyFile, found.job).master ?? '') : next.path;
  const conclusion = {
    database,
    newKeyFile,
    currentKeyFile: keyFiles(args.currentKeyFile, found.job).master[0],
    report: args,
    repeated: [
      ...keyWords(args, found.job, newKeyFile),
      ...attachmentsWords(args),
      ...holdWords(args),
      ...coordinatorWords(args),
    ],
    hooks: args.hooks,
  };
  return concludeRun(context, conclusion, run, () =>
    withSite(context, opened, args, (site) => finish(site, lock, run, { current, next: next.key })),
  );
}

async function keysOf(context: Context, args: ContinueArguments, { job, ...run }: Run): Promise<KeptKeys> {
  const { current, others } = await askCurrentKeys(context, args, job);
  assertCurrentKey({ job, ...run }, current);
  const known = {
    current,
    name: job.name,
    retired: [],
    unfinished: run.toKeyId,
    maySame: changesFormat(job),
  };
  const next =
    job.only === undefined
      ? await planNewKey(context, args, known, job)
      : unchangedKey(current, keyFiles(args.currentKeyFile, job).master[0]);
  return { current, others, next };
}

async function keysBack(
  context: Context,
  args: ContinueArguments,
  { id, job, ...run }: Run,
): Promise<KeptKeys> {
  const { current, next, others, oldKeyFile } = await rollbackKeys(context, args, job);
  const right = current.id === run.fromKeyId && next.id === run.toKeyId;
  if (!right)
    throw new KeyturnError(
      'other-keys',
      `rollback ${id} goes back from key ${run.fromKeyId} to key ${run.toKeyId}, but the given keys are ${next.id} (--current-key-file) and ${current.id} (--new-key-file)`,
      {
        hint: `use --current-key-file with the file of key ${run.toKeyId}, and --new-key-file with the file of key ${run.fromKeyId}, as in the rotation`,
        facts: { run: id, from: run.fromKeyId, to: run.toKeyId },
      },
    );
  const file = {
    path: oldKeyFile ?? '',
    external: oldKeyFile === null,
    mustWrite: false,
    generated: false,
    warnings: [],
  };
  return { current, others: withOlder(context, args, job, [next, ...others]), next: { key: next, ...file } };
}
