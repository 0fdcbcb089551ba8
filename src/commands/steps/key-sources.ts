import { resolve } from 'node:path';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { readKeyFile } from '../../keys/key-file.ts';
import type { KeyShape } from '../../keys/key-shape.ts';
import { currentKey, type NewKeyPlan, newKey } from '../../keys/master-key.ts';
import type { Context } from '../command.ts';

/** The keys before a run: the application's own, and older ones that some values are still encrypted with. */
export interface CurrentKeys {
  readonly current: Key;
  /** Each once, and none that is the current key. */
  readonly others: readonly Key[];
}

/** Reads the current keys from the files, the environment or a prompt. The first is the application's own. */
export async function askCurrentKeys(
  context: Context,
  args: { readonly currentKeyFile?: readonly string[] | undefined },
  shape: KeyShape,
): Promise<CurrentKeys> {
  const { environment, terminal } = context;
  const { key, others, warnings } = await currentKey(
    {
      file: args.currentKeyFile?.[0],
      env: environment.KEYTURN_CURRENT_MASTER_KEY,
      prompt: terminal.interactive
        ? () => terminal.askSecret('Current master key (input is hidden)')
        : undefined,
    },
    shape,
  );
  for (const warning of warnings) warn(context, warning);
  return { current: key, others: furtherKeys(context, args, shape, key, others) };
}

/** Older keys: those listed with the current key, and every --current-key-file but the first. */
export function furtherKeys(
  context: Context,
  args: { readonly currentKeyFile?: readonly string[] | undefined },
  shape: KeyShape,
  current: Key,
  listed: readonly Key[],
): Key[] {
  const keys = [current, ...listed];
  for (const path of args.currentKeyFile?.slice(1) ?? []) {
    const { key, others, warnings } = readKeyFile(path, shape);
    for (const warning of warnings) warn(context, warning);
    keys.push(...[key, ...others].filter((each) => !keys.some((known) => known.equals(each))));
  }
  return keys.slice(1);
}

/** Whether the current key is given, so that nobody must be asked. */
export function namesCurrentKey(
  { environment }: Context,
  args: { readonly currentKeyFile?: readonly string[] | undefined },
): boolean {
  return args.currentKeyFile !== undefined || Boolean(environment.KEYTURN_CURRENT_MASTER_KEY);
}

/** The new key and its file. Nothing is written yet. */
export async function planNewKey(
  context: Context,
  args: { readonly newKeyFile?: string | undefined; readonly masterKey?: string | undefined },
  known: {
    readonly current: Key;
    readonly name: string;
    readonly retired: readonly string[];
    readonly unfinished?: string;
  },
  shape: KeyShape,
): Promise<NewKeyPlan> {
  const { terminal, folder } = context;
  const masterKey = await readMasterKey(context, args.masterKey);
  const plan = newKey(
    {
      file: args.newKeyFile,
      masterKey,
      current: known.current,
      unfinished: known.unfinished,
      retired: known.retired,
      terminal: terminal.interactive ? { folder, name: known.name } : undefined,
    },
    shape,
  );
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
