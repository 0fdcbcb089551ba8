import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { outputOf } from '../../keys/key-command.ts';
import { readKeyFile } from '../../keys/key-file.ts';
import type { KeyShape, KeyShapes } from '../../keys/key-shape.ts';
import { currentKey, type NewKeyPlan, newKey } from '../../keys/master-key.ts';
import type { Context } from '../command.ts';
import { planCommandKey } from './command-key.ts';
import { type KeyFileArguments, keyFiles, newKeyFiles } from './key-files.ts';

/** The keys before a run: the application's own, and older ones that some values are still encrypted with. */
export interface CurrentKeys {
  readonly current: Key;
  /** Each once, and none that is the current key. */
  readonly others: readonly Key[];
}

/**
 * Reads the current keys from the files, the environment or a prompt. The first is the application's own, with the first of
 * each further key of the job.
 */
export async function askCurrentKeys(
  context: Context,
  args: KeyFileArguments,
  shapes: KeyShapes,
): Promise<CurrentKeys> {
  const { environment, terminal } = context;
  const { master: files, named } = keyFiles(args.currentKeyFile, shapes);
  const read = await readText(context, args.currentKeyCommand, files);
  const { key, others, warnings } = await currentKey(
    {
      read,
      file: files[0] ?? (environment.KEYTURN_CURRENT_MASTER_KEY ? undefined : credential(context)),
      env: environment.KEYTURN_CURRENT_MASTER_KEY,
      prompt: terminal.interactive
        ? () => terminal.askSecret('Current master key (input is hidden)')
        : undefined,
    },
    shapes.key,
  );
  for (const warning of warnings) warn(context, warning);
  const older = args.currentKeyCommand === undefined ? files.slice(1) : files;
  const masters = [key, ...others, ...older.flatMap((path) => readKeys(context, path, shapes.key))];
  return withParts(masters, currentParts(context, named, shapes));
}

/** A key from a command or from stdin. Undefined: from neither. */
export async function readText(
  { terminal, signal }: Context,
  command: string | undefined,
  files: readonly string[],
): Promise<{ readonly text: string; readonly from: string } | undefined> {
  const option = '--current-key-command';
  if (command !== undefined)
    return { text: await outputOf(command, option, signal), from: `the output of ${option}` };
  return files[0] === '-' ? { text: await terminal.readInput(), from: 'stdin' } : undefined;
}

/** A file that systemd passes to a service (LoadCredential, LoadCredentialEncrypted). */
function credential({ environment }: Context): string | undefined {
  const folder = environment.CREDENTIALS_DIRECTORY;
  if (!folder) return undefined;
  const path = join(folder, 'keyturn-current-key');
  return existsSync(path) ? path : undefined;
}

/** Older keys: those listed with the current key, and every further file of it. */
export function withOlder(
  context: Context,
  args: KeyFileArguments,
  shapes: KeyShapes,
  listed: readonly Key[],
): readonly Key[] {
  const { master } = keyFiles(args.currentKeyFile, shapes);
  const [current = listed[0] as Key, ...more] = listed;
  const older = master.slice(1).flatMap((path) => readKeys(context, path, shapes.key));
  return distinct([current, ...more, ...older.map((key) => key.with(current.parts))]).slice(1);
}

/** The keys of each name, the current one first. @throws KeyturnError `no-current-key` if one is missing. */
function currentParts(
  context: Context,
  named: ReadonlyMap<string, readonly string[]>,
  { keys = {} }: KeyShapes,
): ReadonlyMap<string, readonly Key[]> {
  return new Map(
    Object.entries(keys).map(([name, shape]) => {
      const files = named.get(name);
      if (files === undefined)
        throw new KeyturnError('no-current-key', `the current key "${name}" is missing`, {
          hint: `use --current-key-file ${name}=FILE; the job has ${1 + Object.keys(keys).length} keys`,
        });
      return [name, files.flatMap((path) => readKeys(context, path, shape))];
    }),
  );
}

/** The current one of each name. @throws KeyturnError `no-current-key` if one is missing. */
export function firstParts(
  context: Context,
  named: ReadonlyMap<string, readonly string[]>,
  shapes: KeyShapes,
): Map<string, Key> {
  return new Map([...currentParts(context, named, shapes)].map(([name, [key]]) => [name, key as Key]));
}

/** The current key with the current further keys; then each older key with the current ones of all other names. */
function withParts(masters: readonly Key[], parts: ReadonlyMap<string, readonly Key[]>): CurrentKeys {
  const now = new Map([...parts].map(([name, [key]]) => [name, key as Key]));
  const [master = masters[0] as Key] = masters;
  const older = [...parts].flatMap(([name, [, ...others]]) =>
    others.map((key) => master.with(new Map(now).set(name, key))),
  );
  const [current = master, ...others] = distinct([...masters.map((key) => key.with(now)), ...older]);
  return { current, others };
}

function readKeys(context: Context, path: string, shape: KeyShape): Key[] {
  const { key, others, warnings } = readKeyFile(path, shape);
  for (const warning of warnings) warn(context, warning);
  return [key, ...others];
}

function distinct(keys: readonly Key[]): Key[] {
  return keys.filter((key, at) => keys.findIndex((known) => known.equals(key)) === at);
}

/** Whether the current key is given, so that nobody must be asked. */
export function namesCurrentKey(context: Context, args: KeyFileArguments): boolean {
  return (
    args.currentKeyFile !== undefined ||
    args.currentKeyCommand !== undefined ||
    Boolean(context.environment.KEYTURN_CURRENT_MASTER_KEY) ||
    credential(context) !== undefined
  );
}

/** The new key and its file. Nothing is written yet. */
export async function planNewKey(
  context: Context,
  args: KeyFileArguments & { readonly masterKey?: string | undefined },
  known: {
    readonly current: Key;
    readonly name: string;
    readonly retired: readonly string[];
    readonly unfinished?: string;
    readonly maySame?: boolean;
  },
  shapes: KeyShapes,
): Promise<NewKeyPlan> {
  const { terminal, folder } = context;
  const masterKey = await readMasterKey(context, args.masterKey);
  const files = newKeyFiles(args.newKeyFile, shapes);
  const sources = {
    file: files.master,
    parts: files.named,
    masterKey,
    current: known.current,
    unfinished: known.unfinished,
    maySame: known.maySame,
    retired: known.retired,
    terminal: terminal.interactive ? { folder, name: known.name } : undefined,
  };
  const plan =
    args.newKeyCommand === undefined && args.storeKeyCommand === undefined
      ? newKey(sources, shapes)
      : await planCommandKey(context, args, sources, shapes);
  for (const warning of plan.warnings) warn(context, warning);
  return plan;
}

/** Of a run that leaves the master key as it is. Throws `bad-option`: what names the key must outlive the process. */
export function unchangedKey(key: Key, file: string | undefined): NewKeyPlan {
  if (file === undefined) {
    throw new KeyturnError('bad-option', 'this run needs the key in a file', {
      hint: 'use --current-key-file FILE',
    });
  }
  return { key, path: resolve(file), mustWrite: false, generated: false, warnings: [] };
}

/** The value of --masterKey; `-` reads it from stdin or a prompt. */
export async function readMasterKey(
  context: Context,
  value: string | undefined,
): Promise<string | undefined> {
  const { terminal } = context;
  if (value === undefined) return undefined;
  if (value === '-')
    return terminal.interactive
      ? terminal.askSecret('New master key (input is hidden)')
      : terminal.readInput();
  warn(
    context,
    'a key given with --masterKey is visible to other users of this machine; use --masterKey - to read it from stdin',
  );
  return value;
}

export function warn({ terminal, log }: Context, text: string): void {
  terminal.say(`keyturn: warning: ${text}`);
  log.warn(text);
}
