import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KeyturnError } from '../error.ts';
import { syncFolder } from '../sync-folder.ts';
import type { Key } from './key.ts';
import type { KeyShape } from './key-shape.ts';
import { parseKey } from './key-text.ts';
import { isDpapi, type Protection, protect, unprotect } from './machine-key.ts';
import { findSetting, withSetting } from './octopus-xml.ts';

const keySetting = 'Octopus.Storage.MasterKey';
const databaseSetting = 'Octopus.Storage.ExternalDatabaseConnectionString';

/** `OctopusServer.config` as it was read. */
export interface OctopusConfig {
  /** Without links, so that the file itself is replaced, not a link to it. */
  readonly path: string;
  readonly text: string;
}

/** @throws KeyturnError `config-unreadable` */
export function readConfig(given: string): OctopusConfig {
  try {
    const path = realpathSync(given);
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
    findSetting(text, keySetting, given);
    return { path, text };
  } catch (cause) {
    throw cause instanceof KeyturnError ? cause : notRead(given, cause);
  }
}

/** Undefined: the file names no database. */
export function databaseOf({ text, path }: OctopusConfig): string | undefined {
  return findSetting(text, databaseSetting, path)?.value || undefined;
}

/**
 * The master key in the file.
 *
 * @throws KeyturnError `config-unreadable` if there is none, or this machine cannot decrypt it
 */
export function masterKeyOf(
  { text, path }: OctopusConfig,
  shape: KeyShape,
  protections: readonly Protection[],
): { readonly key: Key; readonly by: Protection } {
  const stored = findSetting(text, keySetting, path)?.value ?? '';
  if (stored === '')
    throw unreadable(`${path} contains no master key`, 'store one with keyturn set-master-key');
  const opened = isDpapi(stored) ? undefined : unprotect(stored, protections);
  if (opened !== undefined) return { key: parseKey(opened.plain, shape, path), by: opened.by };
  if (isDpapi(stored)) {
    throw unreadable(
      `Windows has encrypted the master key in ${path} (DPAPI), and only that machine can decrypt it`,
      'run Octopus.Server show-master-key there, and Octopus.Server set-master-key to store a new key',
    );
  }
  const tried = protections.map(({ file }) => file).join(' and ') || 'no machine key: none was found';
  throw unreadable(
    `cannot decrypt the master key in ${path} with ${tried}`,
    'if the file is from another machine, name its saved files with --machine-key or --machine-id',
  );
}

/**
 * Stores a master key. The file is copied beside itself first, since it contains the old key; it is replaced in one step,
 * so that an interruption leaves the old file or the new one. Returns the path of the copy.
 *
 * @throws KeyturnError `config-unreadable` for a file of Windows, `config-unwritten`; then nothing was changed
 */
export function storeMasterKey(config: OctopusConfig, key: Key, shape: KeyShape, by: Protection): string {
  const { path, text } = config;
  const old = findSetting(text, keySetting, path)?.value ?? '';
  if (isDpapi(old)) {
    throw unreadable(
      `${path} is a configuration file of Windows (DPAPI), which keyturn cannot write`,
      'run Octopus.Server set-master-key on that machine',
    );
  }
  const changed = withSetting(text, keySetting, protect(key.text, by), path);
  if (!masterKeyOf({ path, text: changed }, shape, [by]).key.equals(key))
    throw new Error('the master key does not read back as it was written');
  const suffix = randomBytes(4).toString('hex');
  const copy = `${path}.keyturn-${suffix}.bak`;
  const fresh = `${path}.keyturn-${suffix}.new`;
  let isReplaced = false;
  try {
    const stats = statSync(path);
    create(copy, text, null);
    create(fresh, changed, stats);
    if (readFileSync(path, 'utf8') !== text) throw new Error('the file was changed in the meantime');
    renameSync(fresh, path);
    isReplaced = true;
    syncFolder(dirname(path));
    return copy;
  } catch (cause) {
    if (!isReplaced) for (const made of [fresh, copy]) remove(made);
    throw notReplaced(path, isReplaced ? copy : null, cause);
  }
}

/** @param like owner and mode to copy; null: only this user may read it */
function create(path: string, text: string, like: Stats | null): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(fd, text, 'utf8');
    if (like !== null) {
      const { uid, gid } = process.geteuid?.() === undefined ? like : statSync(path);
      if (uid !== like.uid || gid !== like.gid) fchownSync(fd, like.uid, like.gid);
      fchmodSync(fd, like.mode & 0o7777);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function unreadable(message: string, hint: string): KeyturnError {
  return new KeyturnError('config-unreadable', message, { hint });
}

/** Where nothing can be written, nothing can be removed either, and was not made. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The reason why it could not be written is told
  }
}

function notRead(path: string, cause: unknown): KeyturnError {
  return new KeyturnError('config-unreadable', `cannot read ${path}: ${reason(cause)}`, {
    hint: 'name the OctopusServer.config of the instance with --config, as a user who can read it',
    cause,
  });
}

/** @param copy null: nothing was changed */
function notReplaced(path: string, copy: string | null, cause: unknown): KeyturnError {
  return new KeyturnError('config-unwritten', `cannot replace ${path}: ${reason(cause)}`, {
    hint:
      copy === null
        ? 'run keyturn as a user who can write to the file and its folder; the file was not changed'
        : `the file has the new key, but may not be on the disk yet; the old file is ${copy}`,
    cause,
  });
}

function reason(thrown: unknown): string {
  const { code, message } = thrown as NodeJS.ErrnoException;
  return code ?? message;
}
