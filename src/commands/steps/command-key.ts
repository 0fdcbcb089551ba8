import { KeyturnError } from '../../error.ts';
import type { Key } from '../../keys/key.ts';
import { giveTo, outputOf } from '../../keys/key-command.ts';
import type { KeyShapes } from '../../keys/key-shape.ts';
import { generateKey, parseKey, parseKeys } from '../../keys/key-text.ts';
import { externalKey, type NewKeyPlan, type NewKeySources } from '../../keys/master-key.ts';
import type { Context } from '../command.ts';
import type { KeyFileArguments } from './key-files.ts';

const option = '--new-key-command';

/**
 * The new key that a command returns. If there is a command that stores keys, and no unfinished run that has its key, a new
 * key is made and given to it before the first change.
 */
export async function planCommandKey(
  { signal }: Context,
  { currentKeyCommand, newKeyCommand, storeKeyCommand }: KeyFileArguments,
  sources: NewKeySources,
  shapes: KeyShapes,
): Promise<NewKeyPlan> {
  if (newKeyCommand === undefined)
    throw new KeyturnError('bad-option', '--store-key-command needs --new-key-command', {
      hint: 'keyturn reads the key back with it, and so do a resume and workers',
    });
  if (sources.file !== undefined)
    throw new KeyturnError('bad-option', 'the new key is given with a file and with a command', {
      hint: 'use one of --new-key-file and --new-key-command',
    });
  if (newKeyCommand === currentKeyCommand)
    throw new KeyturnError('bad-option', 'the same command returns the current key and the new key', {
      hint: 'store the new key under another name: both keys are needed until the run is finished',
    });
  const read = async (): Promise<Key> =>
    parseKey(await outputOf(newKeyCommand, option, signal), shapes.key, `the output of ${option}`);
  const path = `the output of ${newKeyCommand}`;
  if (storeKeyCommand === undefined || sources.unfinished !== undefined)
    return externalKey(sources, shapes, { key: await read(), path });
  const { masterKey, current } = sources;
  const key =
    masterKey === undefined ? generateKey(shapes.key) : parseKey(masterKey, shapes.key, '--masterKey');
  const store = async (): Promise<void> => {
    await giveTo(storeKeyCommand, '--store-key-command', signal, key.text);
    if (!(await read()).equals(key)) throw notReturned();
    if (currentKeyCommand !== undefined) await assertStillThere(currentKeyCommand, current, shapes, signal);
  };
  return externalKey(sources, shapes, { key, path, store });
}

function notReturned(): KeyturnError {
  return new KeyturnError('key-command-failed', `${option} does not return the key that was stored`, {
    hint: 'check that both commands name the same secret; nothing was changed in the database',
  });
}

/** Storing the new key in the place of the current one would lose it. */
async function assertStillThere(
  command: string,
  current: Key,
  { key: shape }: KeyShapes,
  signal: AbortSignal,
): Promise<void> {
  const { key } = parseKeys(await outputOf(command, '--current-key-command', signal), shape);
  if (key.with(current.parts).equals(current)) return;
  throw new KeyturnError(
    'key-command-failed',
    '--store-key-command has replaced the current key: --current-key-command returns another one now',
    {
      hint: 'restore the current key (the secret store may keep earlier versions), and store the new key under another name; nothing was changed in the database',
    },
  );
}
