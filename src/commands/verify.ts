import { assertNoneUnfinished, readHistory } from '../checkpoint/history.ts';
import { assertReadable, type Inventory, isVerified, isWriting, type Run } from '../checkpoint/run.ts';
import type { Database, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { addDecisions } from '../inventory/add-decisions.ts';
import { openKeyring } from '../inventory/keys/open-keyring.ts';
import { fitToRest } from '../inventory/last-look.ts';
import { leftoverOf } from '../inventory/leftover.ts';
import { assertNothingLost, lostPlaces } from '../inventory/lost-places.ts';
import { fitToDatabase } from '../inventory/preflight.ts';
import { takeInventory, unknownOf } from '../inventory/take-inventory.ts';
import type { Job } from '../job/job.ts';
import type { LoadedJob } from '../job/load.ts';
import type { Key } from '../keys/key.ts';
import { readKeyFile } from '../keys/key-file.ts';
import { sealedOtherwise } from '../report/sealed-otherwise.ts';
import { verifyDatabase } from '../rotation/local-run.ts';
import { unlessStopped } from '../rotation/unless-stopped.ts';
import { type Arguments, type CommandResult, type Context, defineCommand } from './command.ts';
import { assertAttachments, attachmentsFolder, attachmentsOptions } from './options/attachments.ts';
import { givenDecisions } from './options/decide.ts';
import {
  authorityOptions,
  currentKeyOptions,
  databaseOptions,
  decideOptions,
  groups,
  jobOptions,
  memoryOptions,
  reportOptions,
  workerOptions,
} from './options/options.ts';
import { authorityOf } from './options/run.ts';
import { concludeVerification } from './steps/conclusion.ts';
import { jobNamed } from './steps/job-named.ts';
import { askCurrentKeys, warn } from './steps/key-sources.ts';
import { type Opened, withDatabase } from './steps/opened.ts';
import { fitJob } from './steps/prepared-run.ts';
import { withSite } from './steps/run-site.ts';

const options = {
  ...jobOptions,
  ...decideOptions,
  ...attachmentsOptions,
  ...databaseOptions,
  ...currentKeyOptions,
  'old-key-file': {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.keys,
    describe:
      'file of a key that must not decrypt anything any more; keyturn looks for such values everywhere; repeatable',
  },
  ...workerOptions,
  ...memoryOptions,
  ...authorityOptions,
  ...reportOptions,
} as const;

type Given = Arguments<typeof options>;

export const verify = defineCommand({
  words: ['verify'],
  describe: 'check that every value can be decrypted with one key; changes nothing',
  epilogue: `--current-key-file is the key that the database uses now: after a rotation, the new key. After a rotation, verify uses the job of that run and compares every row with the digest that the run stored. A restored backup, or a database that was never rotated, needs --job.

Example:
  keyturn verify --database sqlite:database.sqlite --current-key-file new.key`,
  options,
  async run(context, args) {
    const loaded = args.job === undefined ? null : jobNamed(args.job);
    return withDatabase(context, args, (opened) => verifyOpened(context, opened, loaded, args));
  },
});

/** What to verify, and the run to compare it with. */
interface Subject {
  readonly job: Job;
  readonly key: Key;
  /** Older keys that the application still reads with. */
  readonly others: readonly Key[];
  readonly reference: Run | null;
}

async function verifyOpened(
  context: Context,
  opened: Opened,
  loaded: LoadedJob | null,
  args: Given,
): Promise<CommandResult> {
  const { database } = opened;
  const catalog = await database.catalog();
  const subject = await subjectOf(context, database, catalog, loaded, args);
  const { key, others, reference } = subject;
  const { job, inventory } = await unlessStopped(
    context.signal,
    inventoryOf(context, database, catalog, subject, args),
  );
  const reading = {
    job,
    inventory,
    key,
    others,
    reference,
    options: {
      onException: 'skip',
      maxExceptions: Number.MAX_SAFE_INTEGER,
      chunkRows: null,
      chunkTimeoutMs: null,
    },
    authority: authorityOf(context, args),
  } as const;
  const local = await withSite(context, opened, args, (site) => verifyDatabase(site, reading));
  return concludeVerification(context, local, reference && { run: reference, database }, args);
}

/** After a rotation: the inventory of its run, and what was added since. Otherwise: a new inventory of everything. */
async function inventoryOf(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  { job: named, key, others, reference }: Subject,
  args: Given,
): Promise<{ job: Job; inventory: Inventory }> {
  const decisions = givenDecisions(named, args.decide);
  const { ring } = await openKeyring(database, catalog, named, key, { others, after: true });
  const { job, scan } =
    reference === null
      ? await fitToDatabase(database, catalog, named, [ring])
      : await fitToRest(database, await addDecisions(database, named, decisions, [ring]), ring, false);
  const taken = await takeInventory(database, catalog, job, ring, attachmentsFolder(args), scan);
  const oldKeys = (args.oldKeyFile ?? [])
    .map((path) => readKeyFile(path, job.key))
    .flatMap(({ key, others }) => [key, ...others]);
  const recorded = reference?.inventory.undeclared ?? null;
  const inventory = {
    ...taken,
    leftover: await leftoverOf(database, catalog, job, taken.undeclared, {
      ring,
      oldKeys,
      recorded,
      attachments: attachmentsFolder(args),
    }),
    oldKeysTried: oldKeys.map(({ id }) => id),
  };
  const warnings = [...unknownOf(inventory), ...sealedOtherwise(inventory, job.everywhere?.decisions)];
  for (const warning of warnings) warn(context, warning);
  return { job, inventory };
}

/** The run that rotated to this key gives the job and the digests, unless another job is given. */
async function subjectOf(
  context: Context,
  database: Database,
  catalog: readonly Table[],
  loaded: LoadedJob | null,
  args: Given,
): Promise<Subject> {
  const runs = await readHistory(database);
  assertNoneUnfinished(runs, 'finish it with keyturn resume, which verifies everything at its end');
  const rotations = runs.filter(({ kind, state }) => isWriting(kind) && isVerified(state));
  if (loaded === null && rotations[0] !== undefined) assertReadable(rotations[0]);
  const shapes = loaded?.file ?? rotations[0]?.job ?? jobNamed(undefined).file;
  const { current: key, others } = await askCurrentKeys(context, args, shapes);
  const found = rotations.find(({ toKeyId }) => toKeyId === key.id) ?? null;
  const isSame =
    loaded === null || (found?.job.hash === loaded.hash && lostPlaces(catalog, found.job).length === 0);
  const reference = isSame ? found : null;
  if (reference !== null) {
    assertReadable(reference);
    assertNothingLost(catalog, reference, 'run keyturn verify again; to verify what is there now, use --job');
    assertAttachments(reference.job, args);
    context.terminal.say(`comparing with the digests of run ${reference.id}`);
    if (reference.mac === null)
      warn(
        context,
        `the records of run ${reference.id} are not authenticated: keyturn ${reference.toolVersion} made them`,
      );
    // A run to one data key left all values under it; what the application wrote since may be under others
    const { only: _, ...job } = reference.job;
    return { job, key, others, reference };
  }
  if (loaded === null) throw noRotation(key, rotations);
  return { job: fitJob(loaded, catalog, args), key, others, reference: null };
}

function noRotation(key: Key, rotations: readonly Run[]): KeyturnError {
  const [newest] = rotations;
  return new KeyturnError('bad-option', `no run of this database rotated to key ${key.id}`, {
    hint:
      newest === undefined
        ? 'use --job to name the job'
        : `the latest run rotated to key ${newest.toKeyId}: use the file of that key, or name the job with --job`,
    facts: { keyId: key.id },
  });
}
