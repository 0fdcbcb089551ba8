import { assertOpenable, readHistory, unfinishedRun } from '../../checkpoint/history.ts';
import type { Inventory } from '../../checkpoint/run.ts';
import type { Database, Table } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import { type Preflight, preflight } from '../../inventory/preflight.ts';
import { attempt } from '../../inventory/refuse.ts';
import { takeInventory, uncoveredOf } from '../../inventory/take-inventory.ts';
import { assertDeclared } from '../../inventory/undeclared.ts';
import { assertWide } from '../../inventory/widths.ts';
import type { Job } from '../../job/job.ts';
import { generateKeys } from '../../keys/key-text.ts';
import { sealedOtherwise } from '../../report/sealed-otherwise.ts';
import type { Context } from '../command.ts';
import { attachmentsFolder } from '../options/attachments.ts';
import { stillConnected } from './alone.ts';
import { askCurrentKeys, namesCurrentKey } from './key-sources.ts';
import { givenDerivedContext, type JobArguments, withDerivedSecrets } from './prepared-run.ts';
import { assertReportFolder, type ReportArguments } from './report-files.ts';
import { assertNoRollback, assertNotCancelled } from './unfinished-run.ts';

/** What plan knows of the database. */
export interface Survey {
  readonly inventory: Inventory;
  readonly warnings: readonly string[];
  readonly unknown: readonly string[];
  readonly keyId: string | null;
  /** Null: a rotation could not begin, or there is no current key. */
  readonly found: Preflight | null;
  /** Why a rotation would be refused, in the order of its checks. */
  readonly refusals: readonly KeyturnError[];
}

export interface SurveyArguments extends JobArguments, ReportArguments {
  readonly force?: boolean | undefined;
}

/** Everything that a rotation checks first, as far as it can be checked without the current key, and why it would be refused. */
export async function surveyOf(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  job: Job,
  args: SurveyArguments,
): Promise<Survey> {
  const refusals: KeyturnError[] = [];
  const refuse = (reason: KeyturnError): void => void refusals.push(reason);
  await attempt(refuse, () => assertLockable(database));
  const runs = await readHistory(database);
  const unfinished = unfinishedRun(runs);
  await attempt(refuse, () => assertOpenable(database, runs, false));
  if (unfinished !== undefined) {
    await attempt(refuse, () => assertNotCancelled(unfinished));
    await attempt(refuse, () => assertNoRollback(unfinished));
  }
  const isLooked = unfinished === undefined && namesCurrentKey(context, args);
  const looked = isLooked ? await lookFor(context, database, catalog, job, args, runs, refuse) : null;
  const connected = await stillConnected(database);
  if (connected instanceof KeyturnError && args.force !== true) refuse(connected);
  if (connected === 'unseen' && args.force !== true) refuse(unseenSessions(database));
  await attempt(refuse, () => assertReportFolder(context, args));
  const found = looked?.found ?? null;
  const inventory =
    found?.inventory ?? (await takeInventory(database, catalog, job, null, attachmentsFolder(args)));
  return {
    inventory,
    warnings: [
      ...(found === null
        ? uncoveredOf(inventory)
        : [...found.warnings, ...sealedOtherwise(inventory, found.job.everywhere?.decisions)]),
      ...(connected instanceof KeyturnError && args.force === true ? [connected.message] : []),
    ],
    unknown: [
      ...(unfinished === undefined
        ? []
        : [`run ${unfinished.id} is unfinished (${unfinished.state}): continue it with keyturn resume`]),
      ...(unfinished !== undefined || isLooked ? [] : [withoutKey]),
      ...(connected === 'unseen' ? ['this database user cannot see who else is connected'] : []),
    ],
    keyId: found === null ? null : (looked?.keyId ?? null),
    found,
    refusals,
  };
}

const withoutKey =
  'without the current key, keyturn cannot check that values can be decrypted, or search for undeclared ciphertext: add --current-key-file';

/** With the current key. */
async function lookFor(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  job: Job,
  args: SurveyArguments,
  runs: Awaited<ReturnType<typeof readHistory>>,
  refuse: (reason: KeyturnError) => void,
): Promise<{ readonly found: Preflight | null; readonly keyId: string }> {
  const { current, others } = await askCurrentKeys(context, args, job);
  const keys = { current, others, next: generateKeys(job, current), generated: true, refuse };
  const looked = await attempt(refuse, () =>
    preflight(database, catalog, job, keys, attachmentsFolder(args)),
  );
  if (looked === null) return { found: null, keyId: current.id };
  const derived = await attempt(refuse, () =>
    withDerivedSecrets(database, catalog, looked, current, givenDerivedContext(args, runs, current)),
  );
  const found = derived ?? looked;
  await attempt(refuse, () => assertDeclared(found.inventory.undeclared));
  await attempt(refuse, () => assertWide(found.widths, false));
  return { found, keyId: current.id };
}

/** Another run may hold the lock, or an application the whole file. */
async function assertLockable(database: Database): Promise<void> {
  const lock = await database.lockRun();
  await lock.release();
}

function unseenSessions({ place }: Database): KeyturnError {
  return new KeyturnError(
    'missing-consent',
    `this database user cannot see who else is connected to ${place}`,
    {
      hint: 'stop the application on every host, then add --force; on a terminal, rotate asks',
    },
  );
}
