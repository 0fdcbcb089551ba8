import type { Run } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { readKeyFile } from '../../keys/key-file.ts';
import { parseKeys } from '../../keys/key-text.ts';
import type { Context } from '../command.ts';
import { type KeyFileArguments, keyFiles, newKeyFiles } from './key-files.ts';
import { firstParts, warn } from './key-sources.ts';

/** Reads both keys of a run for this worker, never from a prompt. Throws `other-keys`, which names the expected key. */
export function workerKeys(context: Context, args: KeyFileArguments, run: Run): { current: Key; next: Key } {
  const before = keyFiles(args.currentKeyFile, run.job);
  const after = newKeyFiles(args.newKeyFile, run.job);
  const [oldId, newId] =
    run.kind === 'rollback' ? [run.toKeyId, run.fromKeyId] : [run.fromKeyId, run.toKeyId];
  const oldKey = keyOf(context, run, oldId, {
    option: '--current-key-file',
    variable: 'KEYTURN_CURRENT_MASTER_KEY',
    file: before.master[0],
    named: before.named,
  });
  const newKey = keyOf(context, run, newId, {
    option: '--new-key-file',
    variable: 'KEYTURN_NEW_MASTER_KEY',
    file: after.master,
    // A key that stays as it is is given once
    named: new Map([...before.named, ...[...after.named].map(([name, file]) => [name, [file]] as const)]),
  });
  return run.kind === 'rollback' ? { current: newKey, next: oldKey } : { current: oldKey, next: newKey };
}

interface Source {
  readonly option: string;
  readonly variable: string;
  readonly file: string | undefined;
  readonly named: ReadonlyMap<string, readonly string[]>;
}

function keyOf(context: Context, run: Run, wanted: string, source: Source): Key {
  const { option, variable, file, named } = source;
  const text = context.environment[variable];
  const refuse = (why: string, cause?: unknown): never => {
    throw new KeyturnError('other-keys', `run ${run.id} needs key ${wanted}, but ${why}`, {
      hint: `use ${option} with the file of key ${wanted}, or set ${variable} to the key`,
      facts: { run: run.id, keyId: wanted },
      cause,
    });
  };
  if (file === undefined && !text) return refuse('no key was given to this worker');
  let key: Key;
  try {
    const fromFile = file === undefined ? null : readKeyFile(file, run.job.key);
    for (const warning of fromFile?.warnings ?? []) warn(context, warning);
    const { key: master } = fromFile ?? parseKeys(text ?? '', run.job.key, variable);
    key = master.with(firstParts(context, named, run.job));
  } catch (error) {
    return refuse((error as Error).message, error);
  }
  return key.id === wanted ? key : refuse(`${file ?? variable} contains key ${key.id}`);
}
