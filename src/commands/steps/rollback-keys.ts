import { resolve } from 'node:path';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { assertKept, readKeyFile } from '../../keys/key-file.ts';
import type { KeyShapes } from '../../keys/key-shape.ts';
import type { Context } from '../command.ts';
import { type KeyFileArguments, keyFiles, newKeyFiles } from './key-files.ts';
import { firstParts, warn } from './key-sources.ts';

/**
 * The keys of a rollback. The options mean what they meant in the run that is rolled back: `--current-key-file` is the
 * old key, to which the rollback goes. It must be in a file that stays, as every key that values will need.
 */
export function rollbackKeys(
  context: Context,
  args: KeyFileArguments,
  shapes: KeyShapes,
): {
  readonly current: Key;
  readonly next: Key;
  readonly others: readonly Key[];
  readonly oldKeyFile: string;
} {
  const before = keyFiles(args.currentKeyFile, shapes);
  const after = newKeyFiles(args.newKeyFile, shapes);
  const [oldFile] = before.master;
  if (oldFile === undefined || after.master === undefined)
    throw new KeyturnError('bad-option', 'a rollback needs the files of both keys', {
      hint: 'use --current-key-file with the file of the old key, and --new-key-file with the file of the new key, as in the run that is rolled back',
    });
  const oldKeyFile = resolve(oldFile);
  assertKept(oldKeyFile);
  const old = readKeyFile(oldKeyFile, shapes.key, { pipes: false });
  const fresh = readKeyFile(after.master, shapes.key, { one: true });
  for (const warning of [...old.warnings, ...fresh.warnings]) warn(context, warning);
  for (const file of [...before.named.values()].flat()) assertKept(resolve(file));
  const parts = firstParts(context, before.named, shapes);
  const replaced = [...after.named].map(([name, file]) => [name, [file]] as const);
  const current = fresh.key.with(firstParts(context, new Map([...before.named, ...replaced]), shapes));
  const others = old.others.map((key) => key.with(parts));
  return { current, next: old.key.with(parts), others, oldKeyFile };
}
