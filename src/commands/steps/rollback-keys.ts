import { resolve } from 'node:path';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { outputOf } from '../../keys/key-command.ts';
import { assertKept, readKeyFile } from '../../keys/key-file.ts';
import type { KeyShapes } from '../../keys/key-shape.ts';
import { parseKeys } from '../../keys/key-text.ts';
import type { Context } from '../command.ts';
import { type KeyFileArguments, keyFiles, newKeyFiles } from './key-files.ts';
import { firstParts, warn } from './key-sources.ts';

/** Both keys of a rollback; `next` is the old key, to which it goes. */
export interface BackKeys {
  readonly current: Key;
  readonly next: Key;
  readonly others: readonly Key[];
  /** Null: a command returns the old key. */
  readonly oldKeyFile: string | null;
}

/**
 * The keys of a rollback. The options mean what they meant in the run that is rolled back: `--current-key-file` is the
 * old key, to which the rollback goes. It must be in a file that stays, or a command must return it, as every key that values
 * will need.
 */
export async function rollbackKeys(
  context: Context,
  args: KeyFileArguments,
  shapes: KeyShapes,
): Promise<BackKeys> {
  const before = keyFiles(args.currentKeyFile, shapes);
  const after = newKeyFiles(args.newKeyFile, shapes);
  const { currentKeyCommand: oldCommand, newKeyCommand } = args;
  const [oldFile] = before.master;
  const fresh = await readOne(context, { file: after.master, command: newKeyCommand }, '--new-key', shapes);
  const old = await readOne(context, { file: oldFile, command: oldCommand }, '--current-key', shapes);
  for (const file of [...before.named.values()].flat()) assertKept(resolve(file));
  const parts = firstParts(context, before.named, shapes);
  const replaced = [...after.named].map(([name, file]) => [name, [file]] as const);
  const current = fresh.key.with(firstParts(context, new Map([...before.named, ...replaced]), shapes));
  const others = old.others.map((key) => key.with(parts));
  const oldKeyFile = oldCommand === undefined && oldFile !== undefined ? resolve(oldFile) : null;
  return { current, next: old.key.with(parts), others, oldKeyFile };
}

async function readOne(
  context: Context,
  { file, command }: { readonly file: string | undefined; readonly command: string | undefined },
  option: '--current-key' | '--new-key',
  { key: shape }: KeyShapes,
): Promise<{ readonly key: Key; readonly others: readonly Key[] }> {
  if (command !== undefined)
    return parseKeys(
      await outputOf(command, `${option}-command`, context.signal),
      shape,
      `the output of ${option}-command`,
    );
  if (file === undefined)
    throw new KeyturnError('bad-option', 'a rollback needs the files of both keys', {
      hint: 'use --current-key-file with the file of the old key, and --new-key-file with the file of the new key, as in the run that is rolled back',
    });
  const isOld = option === '--current-key';
  if (isOld) assertKept(resolve(file));
  const { warnings, ...read } = readKeyFile(file, shape, { pipes: !isOld, one: !isOld });
  for (const warning of warnings) warn(context, warning);
  return read;
}
