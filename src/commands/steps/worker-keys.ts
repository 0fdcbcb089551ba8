import type { Run } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { outputOf } from '../../keys/key-command.ts';
import { readKeyFile } from '../../keys/key-file.ts';
import { parseKeys } from '../../keys/key-text.ts';
import type { Context } from '../command.ts';
import { type KeyFileArguments, keyFiles, newKeyFiles } from './key-files.ts';
import { firstParts, warn } from './key-sources.ts';

/** Reads both keys of a run for this worker, never from a prompt. Throws `other-keys`, which names the expected key. */
export async function workerKeys(
  context: Context,
  args: KeyFileArguments,
  run: Run,
): Promise<{ current: Key; next: Key }> {
  const before = keyFiles(args.currentKeyFile, run.job);
  const after = newKeyFiles(args.newKeyFile, run.job);
  const [oldId, newId] =
    run.kind === 'rollback' ? [run.toKeyId, run.fromKeyId] : [run.fromKeyId, run.toKeyId];
  const oldKey = await keyOf(context, run, oldId, {
    option: '--current-key',
    variable: 'KEYTURN_CURRENT_MASTER_KEY',
    file: before.master[0],
    command: args.currentKeyCommand,
    named: before.named,
  });
  const newKey = await keyOf(context, run, newId, {
    option: '--new-key',
    variable: 'KEYTURN_NEW_MASTER_KEY',
    file: after.master,
    command: args.newKeyCommand,
    // A key that stays as it is is given once
    named: new Map([...before.named, ...[...after.named].map(([name, file]) => [name, [file]] as const)]),
  });
  return run.kind === 'rollback' ? { current: newKey, next: oldKey } : { current: oldKey, next: newKey };
}

interface Source {
  /** What its options begin with. */
  readonly option: string;
  readonly variable: string;
  readonly file: string | undefined;
  readonly command: string | undefined;
  readonly named: ReadonlyMap<string, readonly string[]>;
}

async function keyOf(context: Context, run: Run, wanted: string, source: Source): Promise<Key> {
  const { option, variable, file, command, named } = source;
  const text = context.environment[variable];
  const refuse = (why: string, cause?: unknown): never => {
    throw new KeyturnError('other-keys', `run ${run.id} needs key ${wanted}, but ${why}`, {
      hint: `use ${option}-file with the file of key ${wanted}, or set ${variable} to the key`,
      facts: { run: run.id, keyId: wanted },
      cause,
    });
  };
  if (file === undefined && command === undefined && !text) return refuse('no key was given to this worker');
  const given = command === undefined ? (file ?? variable) : `the output of ${option}-command`;
  let key: Key;
  try {
    const fromFile = file === undefined || command !== undefined ? null : readKeyFile(file, run.job.key);
    for (const warning of fromFile?.warnings ?? []) warn(context, warning);
    const printed =
      command === undefined ? (text ?? '') : await outputOf(command, `${option}-command`, context.signal);
    const { key: master } = fromFile ?? parseKeys(printed, run.job.key, given);
    key = master.with(firstParts(context, named, run.job));
  } catch (error) {
    return refuse((error as Error).message, error);
  }
  return key.id === wanted ? key : refuse(`${given} contains key ${key.id}`);
}
