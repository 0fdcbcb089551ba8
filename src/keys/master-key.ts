import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { KeyturnError } from '../error.ts';
import type { Key } from './key.ts';
import { assertKept, folderWarnings, type ReadKey, readKeyFile } from './key-file.ts';
import type { KeyShape, KeyShapes } from './key-shape.ts';
import { generateKey, parseKey, parseKeys } from './key-text.ts';

export interface CurrentKeySources {
  /** --current-key-file, or a credential of systemd */
  readonly file?: string | undefined;
  /** What was read from a command or from stdin, and from where. */
  readonly read?: { readonly text: string; readonly from: string } | undefined;
  /** The value of KEYTURN_CURRENT_MASTER_KEY; empty counts as unset. */
  readonly env?: string | undefined;
  /** Prompts without echo; undefined without a terminal. */
  readonly prompt?: (() => Promise<string>) | undefined;
}

/**
 * The old key, from the first source that is given. A source that is given but wrong is an error: the next one is not
 * tried.
 *
 * @throws KeyturnError `no-current-key`, and what readKeyFile and parseKey throw.
 */
export async function currentKey(sources: CurrentKeySources, shape: KeyShape): Promise<ReadKey> {
  const { read, file, env, prompt } = sources;
  if (read !== undefined) return { ...parseKeys(read.text, shape, read.from), warnings: [] };
  if (file !== undefined) return readKeyFile(file, shape);
  if (env !== undefined && env !== '')
    return { ...parseKeys(env, shape, 'KEYTURN_CURRENT_MASTER_KEY'), warnings: [] };
  if (prompt !== undefined)
    return { ...parseKeys(await prompt(), shape, 'the key that was entered'), warnings: [] };
  throw new KeyturnError(
    'no-current-key',
    'no current master key given, and there is no terminal to ask for it',
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
  /** Files of the further keys, by name. */
  readonly parts?: ReadonlyMap<string, string> | undefined;
  /** The current key may stay: the run changes the format of values. */
  readonly maySame?: boolean | undefined;
  /** Id of the key to which the unfinished run rotates. */
  readonly unfinished?: string | undefined;
  /** Ids of the keys that earlier runs retired. */
  readonly retired: readonly string[];
  /** With a terminal, the default file is `<folder>/<name>-<key id>.masterkey`; undefined without one. */
  readonly terminal?: { readonly folder: string; readonly name: string } | undefined;
}

/** The file is not written yet: that is done (writeKeyFile) just before the first change. */
export interface NewKeyPlan {
  readonly key: Key;
  /** Absolute. */
  readonly path: string;
  /** False: the file exists and contains this key. */
  readonly mustWrite: boolean;
  /** It was made by this command: no value can be encrypted with it yet. */
  readonly generated: boolean;
  readonly warnings: readonly string[];
  /** It is not in a file: a command returns it. */
  readonly external?: boolean;
  /** Gives it to whatever keeps it, and reads it back. */
  readonly store?: (() => Promise<void>) | undefined;
  /** The further keys that the run replaces. */
  readonly parts?: readonly Pick<NewKeyPlan, 'key' | 'path' | 'mustWrite' | 'external'>[];
}

/**
 * The new key and its file. If the file exists, it contains the new key.
 *
 * Further keys are in files of their own.
 *
 * @throws KeyturnError `bad-option` (no file named and no terminal), `key-file-differs` (from --masterKey),
 * `other-keys` (not the key of the unfinished run), `key-retired`, `same-key`, and what readKeyFile and parseKey throw.
 */
export function newKey(sources: NewKeySources, shapes: KeyShapes): NewKeyPlan {
  const { masterKey, unfinished } = sources;
  const { key: shape } = shapes;
  const parts = newParts(sources, shapes);
  const given = masterKey === undefined ? undefined : parseKey(masterKey, shape, '--masterKey');
  const candidate = given ?? (unfinished === undefined ? generateKey(shape) : undefined);
  const path = pathOf(sources, () => unfinished ?? candidate?.with(parts?.keys ?? new Map()).id ?? '');
  assertKept(path);

  const made = given === undefined && unfinished === undefined;
  const alone = existsSync(path) ? taken(path, given, shape) : planned(path, candidate, unfinished, made);
  const plan = parts === null ? alone : { ...alone, key: alone.key.with(parts.keys), parts: parts.replaced };
  refuse(plan, sources);
  return { ...plan, warnings: [...plan.warnings, ...folderWarnings(path)] };
}

/** The new key that a command returns, or is about to keep. Refused like any other. */
export function externalKey(
  sources: NewKeySources,
  shapes: KeyShapes,
  found: { readonly key: Key; readonly path: string; readonly store?: NewKeyPlan['store'] },
): NewKeyPlan {
  const parts = newParts(sources, shapes);
  const mustWrite = found.store !== undefined;
  const plan = {
    ...found,
    external: true,
    mustWrite,
    generated: mustWrite,
    warnings: [],
    ...(parts !== null && { key: found.key.with(parts.keys), parts: parts.replaced }),
  };
  refuse(plan, sources);
  return plan;
}

/** The further keys after the run. Null: the job has none. */
function newParts(
  { current, parts: files = new Map(), unfinished }: NewKeySources,
  { keys = {} }: KeyShapes,
): { keys: Map<string, Key>; replaced: NonNullable<NewKeyPlan['parts']> } | null {
  if (Object.keys(keys).length === 0) return null;
  const found = new Map<string, Key>();
  const replaced: NonNullable<NewKeyPlan['parts']>[number][] = [];
  for (const [name, shape] of Object.entries(keys)) {
    const file = files.get(name);
    const old = current.parts.get(name);
    if (shape.stays === true && file === undefined && old !== undefined) {
      found.set(name, old);
      continue;
    }
    if (file === undefined || shape.stays === true)
      throw new KeyturnError(
        'bad-option',
        file === undefined
          ? `the new key "${name}" is missing`
          : `the job says that the key "${name}" stays as it is`,
        {
          hint:
            file === undefined
              ? `use --new-key-file ${name}=FILE; the file of the current key leaves it as it is`
              : `remove --new-key-file ${name}=…`,
        },
      );
    const path = resolve(file);
    assertKept(path);
    const exists = existsSync(path);
    if (!exists && unfinished !== undefined) throw otherKeys(unfinished, `key file ${path} not found`);
    const key = exists ? readKeyFile(path, shape, { pipes: false, one: true }).key : generateKey(shape);
    found.set(name, key);
    replaced.push({ key, path, mustWrite: !exists });
  }
  return { keys: found, replaced };
}

/**
 * The default file name contains the id of the key, so that an unfinished run finds its key again. Otherwise the slow id of
 * a candidate is not computed: the file may hold another key.
 */
function pathOf({ file, terminal }: NewKeySources, id: () => string): string {
  if (file !== undefined) return resolve(file);
  if (terminal !== undefined) return resolve(terminal.folder, `${terminal.name}-${id()}.masterkey`);
  throw new KeyturnError('bad-option', '--new-key-file is required without a terminal', {
    hint: 'name a file that outlives this process: the working folder of a container is lost with it',
  });
}

function taken(path: string, given: Key | undefined, shape: KeyShape): NewKeyPlan {
  const { key, warnings } = readKeyFile(path, shape, { pipes: false, one: true });
  if (given !== undefined && !given.equals(key)) {
    throw new KeyturnError(
      'key-file-differs',
      `the key in ${path} (${key.id}) is not the key given with --masterKey (${given.id})`,
      {
        hint: 'omit one of the two, or name another file',
        facts: { path, fileKeyId: key.id, keyId: given.id },
      },
    );
  }
  return { key, path, mustWrite: false, generated: false, warnings };
}

function planned(
  path: string,
  candidate: Key | undefined,
  unfinished: string | undefined,
  generated: boolean,
): NewKeyPlan {
  if (candidate !== undefined) return { key: candidate, path, mustWrite: true, generated, warnings: [] };
  throw otherKeys(unfinished ?? '', `key file ${path} not found`);
}

function refuse(
  { key, path, mustWrite }: NewKeyPlan,
  { current, unfinished, retired, maySame }: NewKeySources,
): void {
  const source = mustWrite ? '--masterKey' : path;
  if (key.equals(current)) {
    if (maySame === true) return;
    throw new KeyturnError('same-key', 'the new key is the current key', {
      hint: 'name a file that does not exist yet, and keyturn generates a key',
      facts: { keyId: key.id },
    });
  }
  if (unfinished !== undefined) {
    if (key.id !== unfinished) throw otherKeys(unfinished, `${source} contains key ${key.id}`);
    return;
  }
  if (retired.includes(key.id)) {
    throw new KeyturnError('key-retired', `${source} contains key ${key.id}, which an earlier run retired`, {
      hint: 'others may know a retired key; name a file that does not exist yet, and keyturn generates a key',
      facts: { keyId: key.id },
    });
  }
}

function otherKeys(unfinished: string, found: string): KeyturnError {
  return new KeyturnError('other-keys', `the unfinished run rotates to key ${unfinished}, but ${found}`, {
    hint: `use --new-key-file to name the file of key ${unfinished}`,
    facts: { keyId: unfinished },
  });
}
