import { resolve } from 'node:path';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { assertKept, readKeyFile } from '../../keys/key-file.ts';
import type { KeyShape } from '../../keys/key-shape.ts';
import type { Context } from '../command.ts';
import { warn } from './key-sources.ts';

export interface BothKeyFiles {
  readonly currentKeyFile?: readonly string[] | undefined;
  readonly newKeyFile?: string | undefined;
}

/**
 * The keys of a rollback. The options mean what they meant in the run that is rolled back: `--current-key-file` is the
 * old key, to which the rollback goes. It must be in a file that stays, as every key that values will need.
 */
export function rollbackKeys(
  context: Context,
  args: BothKeyFiles,
  shape: KeyShape,
): {
  readonly current: Key;
  readonly next: Key;
  readonly others: readonly Key[];
  readonly oldKeyFile: string;
} {
  const [oldFile] = args.currentKeyFile ?? [];
  if (oldFile === undefined || args.newKeyFile === undefined)
    throw new KeyturnError('bad-option', 'a rollback needs the files of both keys', {
      hint: 'use --current-key-file with the file of the old key, and --new-key-file with the file of the new key, as in the run that is rolled back',
    });
  const oldKeyFile = resolve(oldFile);
  assertKept(oldKeyFile);
  const old = readKeyFile(oldKeyFile, shape, { pipes: false });
  const fresh = readKeyFile(args.newKeyFile, shape, { one: true });
  for (const warning of [...old.warnings, ...fresh.warnings]) warn(context, warning);
  return { current: fresh.key, next: old.key, others: old.others, oldKeyFile };
}
