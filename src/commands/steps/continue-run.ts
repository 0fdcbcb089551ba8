import type { Knex } from 'knex';
import { assertCurrentKey } from '../../checkpoint/history.ts';
import { CheckpointMac } from '../../checkpoint/mac.ts';
import { assertAuthentic, assertKeys, type Run, type RunOptions } from '../../checkpoint/run.ts';
import { RunTable } from '../../checkpoint/run-table.ts';
import type { RunLock } from '../../databases/database.ts';
import { settle } from '../../inventory/settle-places.ts';
import type { Job } from '../../job/job.ts';
import { writeKeyFile } from '../../keys/key-file.ts';
import { Keyring } from '../../keys/keyring.ts';
import { finishRun, keyringBefore } from '../../rotation/finish-run.ts';
import type { Pace } from '../../rotation/pace.ts';
import type { RunKeys, Site } from '../../rotation/site.ts';
import { unlessStopped } from '../../rotation/unless-stopped.ts';
import type { Context, Outcome } from '../command.ts';
import { type AttachmentsArguments, assertAttachments, attachmentsWords } from '../options/attachments.ts';
import { type Coordinating, type CoordinatorArguments, coordinatorWords } from '../options/coordinator.ts';
import { givenDecisions } from '../options/decide.ts';
import { type HoldArguments, holdWords } from '../options/pace.ts';
import { assertAlone } from './alone.ts';
import { concludeRun } from './conclusion.ts';
import { askCurrentKey, planNewKey } from './key-sources.ts';
import type { Opened } from './opened.ts';
import { withSite } from './run-site.ts';

/** What the commands that go on with a run are told. */
export interface ContinueArguments
  extends HoldArguments,
    CoordinatorArguments,
    AttachmentsArguments,
    Partial<Coordinating> {
  readonly pace?: Pace;
  readonly currentKeyFile?: string | undefined;
  readonly newKeyFile?: string | undefined;
  readonly masterKey?: string | undefined;
  readonly decide?: readonly string[] | undefined;
  readonly force?: boolean | undefined;
  readonly workers?: string | undefined;
  readonly reportDir?: string | undefined;
}

type Finish = (site: Site, lock: RunLock, run: Run, keys: RunKeys) => Promise<Run>;

/** Goes on with a run of the database: its own keys are asked for, its own job is used. */
export async function continueRun(
  context: Context,
  opened: Opened,
  lock: RunLock,
  found: Run,
  changed: Partial<RunOptions>,
  args: ContinueArguments,
  finish: Finish = finishRun,
): Promise<Outcome> {
  const { database } = opened;
  assertAttachments(found.job, args);
  await assertAlone(context, database, args.force);
  const shape = found.job.key;
  const current = await askCurrentKey(context, args, shape);
  assertCurrentKey(found, current);
  const known = { current, name: found.job.name, retired: [], unfinished: found.toKeyId };
  const next = await planNewKey(context, args, known, shape);
  assertKeys(found, current, next.key);
  const rings = [keyringBefore(found, { current, next: next.key }), new Keyring(next.key)];
  const job = await unlessStopped(
    context.signal,
    settle(database, found.job, givenDecisions(found.job, args.decide), rings),
  );
  if (next.mustWrite) writeKeyFile(next.path, next.key);
  const mac = new CheckpointMac(next.key, found.id);
  assertAuthentic(found, mac);
  const run = await withChanges(database.knex, found, changed, job, mac);
  const conclusion = {
    database,
    newKeyFile: next.path,
    currentKeyFile: args.currentKeyFile,
    reportDir: args.reportDir,
    holds: [...attachmentsWords(args), ...holdWords(args), ...coordinatorWords(args)],
    hooks: args.hooks,
  };
  return concludeRun(context, conclusion, run, () =>
    withSite(context, opened, args, (site) => finish(site, lock, run, { current, next: next.key })),
  );
}

/** Only what changes is written: a worker of the session before may hold the run's row for a moment. */
async function withChanges(
  knex: Knex,
  run: Run,
  changed: Partial<RunOptions>,
  job: Job,
  mac: CheckpointMac,
): Promise<Run> {
  if (job === run.job && Object.keys(changed).length === 0) return run;
  const options = { ...run.options, ...changed };
  return new RunTable(knex).update(run, { options, ...(job !== run.job && { job }) }, mac);
}
