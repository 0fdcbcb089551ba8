import { existsSync, readFileSync } from 'node:fs';
import type { DerivedSecrets, DerivedSource } from '../../checkpoint/derived-secrets.ts';
import { isFinished, type Run } from '../../checkpoint/run.ts';
import type { Rows, Table } from '../../databases/database.ts';
import { KeyturnError } from '../../error.ts';
import type { Job } from '../../job/job.ts';
import { derivation } from '../../keys/derived.ts';
import type { Key } from '../../keys/key.ts';
import { writeSecretFile } from '../../keys/key-file.ts';
import { rowsWhere } from '../rows-where.ts';
import { ApplicationEnvironment } from './application-environment.ts';

type DerivedSecret = Job['derived'][number];

/** What tells which derived secrets are in use, besides the database. */
export interface DerivedContext {
  /** What the application is started with; null: not known. */
  readonly environment: ApplicationEnvironment | null;
  /** The run that brought the current key; null: none is known. */
  readonly earlier: {
    readonly run: string | null;
    readonly derived: DerivedSecrets | null;
    /** Its file of derived secrets, if it still exists. */
    readonly file: string | null;
    readonly saved: ApplicationEnvironment | null;
  } | null;
}

export const nothingKnown: DerivedContext = { environment: null, earlier: null };

/**
 * Finds the derived secrets that the run which brought the current key saved: beside the file of that key, or where the
 * run's row says.
 */
export function derivedContext(
  environment: ApplicationEnvironment | null,
  runs: readonly Run[],
  current: Key,
  currentKeyFile: string | undefined,
): DerivedContext {
  const run = runs.find(
    ({ kind, state, toKeyId, job }) =>
      kind === 'rotation' && isFinished(state) && toKeyId === current.id && job.only === undefined,
  );
  const derived = run?.inventory.derived ?? null;
  const candidates = [
    ...(currentKeyFile === undefined ? [] : [derivedSecretsPath(currentKeyFile)]),
    ...(derived === null || derived.file === null ? [] : [derived.file]),
  ];
  const file = candidates.find((path) => existsSync(path)) ?? null;
  if (run === undefined && file === null) return { environment, earlier: null };
  const saved = file === null ? null : ApplicationEnvironment.read([file]);
  return { environment, earlier: { run: run?.id ?? null, derived, file, saved } };
}

/** The secrets with their sources, and the values that have to be saved. */
export interface FoundSecrets {
  readonly derived: Omit<DerivedSecrets, 'file'>;
  /** Live secrets: never log or report them. */
  readonly toSave: ReadonlyMap<string, string>;
}

/**
 * Finds out which derived secrets the new key would change. Null: the job has none.
 *
 * @throws KeyturnError `derived-secrets-missing`, `bad-option`
 */
export async function findDerivedSecrets(
  database: Rows,
  catalog: readonly Table[],
  job: Job,
  current: Key,
  context: DerivedContext,
): Promise<FoundSecrets | null> {
  if (job.derived.length === 0) return null;
  const { environment, earlier } = context;
  const earlierFile = earlier?.file ?? null;
  const toSave = new Map<string, string>();
  const secrets: { setting: string; source: DerivedSource }[] = [];
  for (const secret of job.derived) {
    const { setting } = secret;
    const source = (await isPinned(database, catalog, secret)) ? 'row' : sourceOf(setting, context);
    if (source === 'current-key') toSave.set(setting, derivation(secret.secret)(current.text));
    if (source === 'earlier-run') toSave.set(setting, earlier?.saved?.value(setting) ?? '');
    secrets.push({ setting, source });
  }
  return { derived: { earlierFile, environmentGiven: environment !== null, secrets }, toSave };
}

/** Of a secret without a row. What the environment says is certain; without it, an earlier run is believed. */
function sourceOf(setting: string, { environment, earlier }: DerivedContext): DerivedSource {
  if (environment !== null) return environment.sets(setting) ? 'environment' : 'current-key';
  if (earlier?.saved?.value(setting) !== undefined) return 'earlier-run';
  const before = earlier?.derived?.secrets.find((each) => each.setting === setting)?.source;
  if (before === 'environment') return 'environment';
  if (before === undefined || before === 'row') return 'current-key';
  const file = earlier?.derived?.file ?? 'a file';
  throw new KeyturnError(
    'derived-secrets-missing',
    `run ${earlier?.run ?? ''} saved ${setting} in ${file}, which does not exist: the value in use is unknown`,
    {
      hint: "use --application-env with the application's environment, or put the file back",
      facts: { setting, file },
    },
  );
}

async function isPinned(
  database: Rows,
  catalog: readonly Table[],
  { unless }: DerivedSecret,
): Promise<boolean> {
  const column = Object.keys(unless?.where ?? {})[0];
  if (unless === undefined || column === undefined) return false;
  for await (const _ of rowsWhere(database, catalog, { ...unless, column })) return true;
  return false;
}

/** Beside the new key file. */
export function derivedSecretsPath(newKeyFile: string): string {
  return `${newKeyFile}.derived-secrets.env`;
}

/**
 * Writes secrets to a file of mode 0600, as `SETTING=value` lines. They are live secrets and shown nowhere else. A file
 * with the same content may exist, from an attempt that failed later.
 */
export function keepSecrets(path: string, secrets: ReadonlyMap<string, string>, title: string): void {
  const text = [
    `# Set only those that are not set already in the environment of ${title.replaceAll(/\s+/g, ' ')}, and keep them set for good.\n`,
    ...[...secrets].map(([setting, value]) => `${setting}=${value}\n`),
  ].join('');
  if (!existsSync(path)) {
    writeSecretFile(path, text, 'the derived secrets');
    return;
  }
  if (readFileSync(path, 'utf8') === text) return;
  throw new KeyturnError(
    'key-file-differs',
    `${path} already exists, with other secrets than those of this run`,
    {
      hint: 'move the file, or use another --new-key-file',
      facts: { path },
    },
  );
}

/** What the operator has to know about the secrets that are not in a row; sentences. */
export function derivedWarnings(title: string, { derived }: FoundSecrets, context: DerivedContext): string[] {
  const { environmentGiven, earlierFile, secrets } = derived;
  const of = (source: DerivedSource) =>
    secrets.filter((each) => each.source === source).map(({ setting }) => setting);
  const unknown = environmentGiven ? [] : of('current-key');
  const earlier = of('earlier-run');
  const remembered = environmentGiven ? [] : of('environment');
  const unset = environmentGiven ? of('current-key').filter((setting) => wasSet(setting, context)) : [];
  return [
    ...(unknown.length === 0
      ? []
      : [
          `it is not known whether the environment of ${title} sets ${unknown.join(', ')}: a value that is set there is in use, the one derived from the current key is not; add --application-env FILE, or set only those that are not set already, and keep them set for good`,
        ]),
    ...(earlier.length === 0
      ? []
      : [
          `${earlier.join(', ')}: taken from ${earlierFile ?? ''}, where an earlier run saved them, because the environment of ${title} is not known; if ${title} does not have them set, add --application-env FILE`,
        ]),
    ...(remembered.length === 0
      ? []
      : [
          `${remembered.join(', ')}: set in the environment of ${title} when run ${context.earlier?.run ?? ''} began, and taken to be set still; add --application-env FILE if that has changed`,
        ]),
    ...(unset.length === 0
      ? []
      : [
          `${unset.join(', ')}: an earlier run found or saved a value, but the given environment of ${title} does not set it; check that it is complete`,
        ]),
  ];
}

function wasSet(setting: string, { earlier }: DerivedContext): boolean {
  const before = earlier?.derived?.secrets.find((each) => each.setting === setting)?.source ?? 'row';
  return before !== 'row' || earlier?.saved?.value(setting) !== undefined;
}
