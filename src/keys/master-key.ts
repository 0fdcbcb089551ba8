import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { KeyturnError } from '../error.ts';
import type { Key } from './key.ts';
import { generateKey, parseKey, type ReadKey, readKeyFile } from './key-file.ts';
import type { KeyShape } from './key-shape.ts';

export interface CurrentKeySources {
  /** --current-key-file */
  readonly file?: string | undefined;
  /** The value of KEYTURN_CURRENT_MASTER_KEY; empty counts as unset. */
  readonly env?: string | undefined;
  /** Asks without echo; undefined without a terminal. */
  readonly prompt?: (() => Promise<string>) | undefined;
}

/**
 * The old key, from the first source that is there; a source that is there but wrong is an error, never passed over.
 *
 * @throws KeyturnError `no-current-key`, and what readKeyFile and parseKey throw.
 */
export async function currentKey(sources: CurrentKeySources, shape: KeyShape): Promise<ReadKey> {
  const { file, env, prompt } = sources;
  if (file !== undefined) return readKeyFile(file, shape);
  if (env !== undefined && env !== '')
    return { key: parseKey(env, shape, 'KEYTURN_CURRENT_MASTER_KEY'), warnings: [] };
  if (prompt !== undefined) return { key: parseKey(await prompt(), shape, 'the key typed in'), warnings: [] };
  throw new KeyturnError(
    'no-current-key',
    'the current master key is needed, and there is no terminal to ask for it',
    {
      hint: 'use --current-key-file FILE or set KEYTURN_CURRENT_MASTER_KEY',
    },
  );
}

export interface NewKeySources {
  /** --new-key-file */
  readonly file?: string | undefined;
  /** The value of --masterKey (already read from stdin when it was `-`). */
  readonly masterKey?: string | undefined;
  readonly current: Key;
  /** Key id that the unfinished run rotates to. */
  readonly unfinished?: string | undefined;
  /** Ids of keys that earlier runs have retired. */
  readonly retired: readonly string[];
  /** For the default file on a terminal, `<folder>/<name>-<key id>.masterkey`; undefined without a terminal. */
  readonly terminal?: { readonly folder: string; readonly name: string } | undefined;
}

/** Nothing is written yet: the caller writes the file (writeKeyFile) just before the first change. */
export interface NewKeyPlan {
  readonly key: Key;
  /** Absolute. */
  readonly path: string;
  /** False: the file is there and holds this key. */
  readonly mustWrite: boolean;
  readonly warnings: readonly string[];
}

/**
 * The new key and the file that keeps it. A file that exists is the new key.
 *
 * @throws KeyturnError `bad-option` (no file named, no terminal), `key-file-differs` (from --masterKey),
 * `other-keys` (not the unfinished run's), `key-retired`, `same-key`, and what readKeyFile and parseKey throw.
 */
export function newKey(sources: NewKeySources, shape: KeyShape): NewKeyPlan {
  const { masterKey, unfinished } = sources;
  const given = masterKey === undefined ? undefined : parseKey(masterKey, shape, '--masterKey');
  const candidate = given ?? (unfinished === undefined ? generateKey(shape) : undefined);
  const path = pathOf(sources, unfinished ?? candidate?.id ?? '');

  const plan = existsSync(path) ? taken(path, given, shape) : planned(path, candidate, unfinished);
  refuse(plan, sources);
  return plan;
}

/** An unfinished run's default file carries the id of its key, so that it is found again. */
function pathOf({ file, terminal }: NewKeySources, id: string): string {
  if (file !== undefined) return resolve(file);
  if (terminal !== undefined) return resolve(terminal.folder, `${terminal.name}-${id}.masterkey`);
  throw new KeyturnError('bad-option', 'without a terminal --new-key-file is required', {
    hint: 'name a file that outlives this process: the working folder of a container dies with it',
  });
}

function taken(path: string, given: Key | undefined, shape: KeyShape): NewKeyPlan {
  const { key, warnings } = readKeyFile(path, shape);
  if (given !== undefined && !given.equals(key)) {
    throw new KeyturnError(
      'key-file-differs',
      `${path} holds another key (${key.id}) than --masterKey (${given.id})`,
      {
        hint: 'leave out one of the two, or name another file',
        facts: { path, fileKeyId: key.id, keyId: given.id },
      },
    );
  }
  return { key, path, mustWrite: false, warnings };
}

function planned(path: string, candidate: Key | undefined, unfinished: string | undefined): NewKeyPlan {
  if (candidate !== undefined) return { key: candidate, path, mustWrite: true, warnings: [] };
  throw otherKeys(unfinished ?? '', `there is no key file ${path}`);
}

function refuse({ key, path, mustWrite }: NewKeyPlan, { current, unfinished, retired }: NewKeySources): void {
  const source = mustWrite ? '--masterKey' : path;
  if (key.equals(current)) {
    throw new KeyturnError('same-key', 'the new key is the current key', {
      hint: 'name a file that does not exist yet, and a key is generated',
      facts: { keyId: key.id },
    });
  }
  if (unfinished !== undefined) {
    if (key.id !== unfinished) throw otherKeys(unfinished, `${source} holds the key ${key.id}`);
    return;
  }
  if (retired.includes(key.id)) {
    throw new KeyturnError(
      'key-retired',
      `${source} holds the key ${key.id}, which an earlier run has retired`,
      {
        hint: 'a retired key may be known to others; name a file that does not exist yet, and a key is generated',
        facts: { keyId: key.id },
      },
    );
  }
}

function otherKeys(unfinished: string, found: string): KeyturnError {
  return new KeyturnError('other-keys', `the unfinished run rotates to the key ${unfinished}, but ${found}`, {
    hint: `give the file of the key ${unfinished} with --new-key-file`,
    facts: { keyId: unfinished },
  });
}
