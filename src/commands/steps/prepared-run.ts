import type { Run } from '../../checkpoint/run.ts';
import type { Database, Table } from '../../databases/database.ts';
import { ApplicationEnvironment } from '../../inventory/keys/application-environment.ts';
import {
  type DerivedContext,
  derivedContext,
  derivedWarnings,
  findDerivedSecrets,
} from '../../inventory/keys/derived-secrets.ts';
import { type Preflight, preflight } from '../../inventory/preflight.ts';
import { assertDeclared } from '../../inventory/undeclared.ts';
import type { Job } from '../../job/job.ts';
import type { LoadedJob } from '../../job/load.ts';
import { resolveJob } from '../../job/resolve.ts';
import type { Key } from '../../keys/key.ts';
import type { NewKeyPlan } from '../../keys/master-key.ts';
import { sealedOtherwise } from '../../report/sealed-otherwise.ts';
import type { Context } from '../command.ts';
import { type AttachmentsArguments, attachmentsFolder, takesAttachments } from '../options/attachments.ts';
import { withDecisions } from '../options/decide.ts';
import { withExclusions } from '../options/exclude.ts';
import type { KeyFileArguments } from './key-files.ts';
import { askCurrentKeys, warn } from './key-sources.ts';
import { previewLines } from './preview.ts';

/** Everything that is known before the first change: the job for this database, both keys, and the preflight. */
export interface PreparedRun {
  readonly job: Job;
  readonly current: Key;
  readonly next: NewKeyPlan;
  readonly found: Preflight;
  /** What tells which derived secrets are in use. */
  readonly derived: DerivedContext;
}

export interface JobArguments extends AttachmentsArguments, KeyFileArguments {
  readonly tablePrefix?: string | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly decide?: readonly string[] | undefined;
  readonly onException?: string | undefined;
  readonly applicationEnv?: readonly string[] | undefined;
}

export function fitJob(loaded: LoadedJob, catalog: readonly Table[], args: JobArguments): Job {
  const tablePrefix = args.tablePrefix ?? '';
  const job = resolveJob(withExclusions(loaded, catalog, tablePrefix, args.exclude), catalog, {
    tablePrefix,
    files: takesAttachments(loaded, args),
  });
  return withDecisions(job, args.decide);
}

/** Checks everything, prints what it finds, and refuses what cannot be rotated. Nothing is written. */
export async function prepareRun(
  context: Context,
  database: Database,
  loaded: LoadedJob,
  runs: readonly Run[],
  args: JobArguments,
  planKey: (current: Key, job: Job) => Promise<NewKeyPlan>,
  describeKey: (plan: NewKeyPlan) => string,
): Promise<PreparedRun> {
  const catalog = await database.catalog();
  const fitted = fitJob(loaded, catalog, args);
  const { current, others } = await askCurrentKeys(context, args, fitted);
  const next = await planKey(current, fitted);
  const derived = givenDerivedContext(args, runs, current);
  const found = await withDerivedSecrets(
    database,
    catalog,
    await preflight(
      database,
      catalog,
      fitted,
      { current, others, next: next.key, generated: next.generated, skips: args.onException === 'skip' },
      attachmentsFolder(args),
    ),
    current,
    derived,
  );
  const { job } = found;
  const { terminal } = context;
  terminal.say(`${job.title} database ${database.place}`);
  terminal.say(`rotating from key ${current.id} to key ${next.key.id} (${describeKey(next)})`);
  for (const line of previewLines(job, found.inventory)) terminal.say(line);
  for (const warning of [...found.warnings, ...sealedOtherwise(found.inventory, job.everywhere?.decisions)])
    warn(context, warning);
  assertDeclared(found.inventory.undeclared);
  return { job, current, next, found, derived };
}

/** @throws KeyturnError `bad-option` */
export function givenDerivedContext(
  { applicationEnv, currentKeyFile }: JobArguments,
  runs: readonly Run[],
  current: Key,
): DerivedContext {
  const environment = applicationEnv === undefined ? null : ApplicationEnvironment.read(applicationEnv);
  return derivedContext(environment, runs, current, currentKeyFile?.[0]);
}

/** What the preflight found, with the derived secrets. */
export async function withDerivedSecrets(
  database: Database,
  catalog: readonly Table[],
  found: Preflight,
  current: Key,
  context: DerivedContext,
): Promise<Preflight> {
  const secrets = await findDerivedSecrets(database, catalog, found.job, current, context);
  if (secrets === null) return found;
  return {
    ...found,
    inventory: { ...found.inventory, derived: { ...secrets.derived, file: null } },
    warnings: [...found.warnings, ...derivedWarnings(found.job.title, secrets, context)],
  };
}
