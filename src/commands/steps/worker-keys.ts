import type { Run } from '../../checkpoint/run.ts';
import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { readKeyFile } from '../../keys/key-file.ts';
import { parseKeys } from '../../keys/key-text.ts';
import type { Context } from '../command.ts';
import { warn } from './key-sources.ts';

interface Given {
  readonly currentKeyFile?: string | undefined;
  readonly newKeyFile?: string | undefined;
}

/** Reads both keys of a run for this worker, never from a prompt. Throws `other-keys`, which names the expected key. */
export function workerKeys(context: Context, args: Given, run: Run): { current: Key; next: Key } {
  const current = { option: '--current-key-file', variable: 'KEYTURN_CURRENT_MASTER_KEY' };
  const next = { option: '--new-key-file', variable: 'KEYTURN_NEW_MASTER_KEY' };
  const [oldId, newId] =
    run.kind === 'rollback' ? [run.toKeyId, run.fromKeyId] : [run.fromKeyId, run.toKeyId];
  const oldKey = keyOf(context, run, oldId, { ...current, file: args.currentKeyFile });
  const newKey = keyOf(context, run, newId, { ...next, file: args.newKeyFile });
  return run.kind === 'rollback' ? { current: newKey, next: oldKey } : { current: oldKey, next: newKey };
}

interface Source {
  readonly option: string;
  readonly variable: string;
  readonly file: string | undefined;
}

function keyOf(context: Context, run: Run, wanted: string, { option, variable, file }: Source): Key {
  const shape = run.job.key;
  const text = context.environment[variable];
  const refuse = (why: string, cause?: unknown): never => {
    throw new KeyturnError('other-keys', `run ${run.id} needs key ${wanted}, but ${why}`, {
      hint: `use ${option} with the file of key ${wanted}, or set ${variable} to the key`,
      facts: { run: run.id, keyId: wanted },
      cause,
    });
  };
  if (file === undefined && !text) return refuse('no key was given to this worker');
  let read: ReturnType<typeof parseKeys>;
  try {
    const fromFile = file === undefined ? null : readKeyFile(file, shape);
    for (const warning of fromFile?.warnings ?? []) warn(context, warning);
    read = fromFile ?? parseKeys(text ?? '', shape, variable);
  } catch (error) {
    return refuse((error as Error).message, error);
  }
  return read.key.id === wanted ? read.key : refuse(`${file ?? variable} contains key ${read.key.id}`);
}
