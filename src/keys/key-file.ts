import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KeyturnError } from '../error.ts';
import { isVirtual, NotAFile, readPlainFile } from '../plain-file.ts';
import { syncFolder } from '../sync-folder.ts';
import type { Key } from './key.ts';
import type { KeyShape } from './key-shape.ts';
import { parseKey, parseKeys, trimKey } from './key-text.ts';

/** More than any key needs. Prevents reading all of a wrong path, such as a database or /dev/zero. */
const maxBytes = 64 * 1024;

export interface ReadKey {
  readonly key: Key;
  /** Older keys, if the file contains a list: the first is the current key. */
  readonly others: readonly Key[];
  /** For the operator; never contain the key. */
  readonly warnings: readonly string[];
}

/**
 * Reads a key from a file, in the text form that the application itself uses. The file may be a pipe
 * (`<(vault read …)`) that `readPipes` has read.
 *
 * @param pipes false for a new key: it must stay where it is (invariant 4)
 * @param one whether a list of keys is an error
 * @throws KeyturnError `key-file-missing`, `key-file-unreadable`, `key-file-empty`, `key-shape`.
 */
export function readKeyFile(path: string, shape: KeyShape, { pipes = true, one = false } = {}): ReadKey {
  const { bytes, stats } = readBytes(path, pipes);
  if (bytes.length > maxBytes) {
    throw new KeyturnError('key-shape', `${path} is too large for a key file`, {
      hint: 'check that this is the right file',
    });
  }
  const text = decode(bytes);
  if (text === undefined) {
    throw new KeyturnError('key-shape', `${path} is not UTF-8 text`, {
      hint: 'a key file contains the key as the application stores it',
    });
  }
  const trimmed = trimKey(text, shape);
  if (trimmed.trim() === '') {
    throw new KeyturnError('key-file-empty', `${path} is empty`, {
      hint: 'a key file contains the key and nothing else',
    });
  }
  refuseConfig(text, path);
  return {
    ...(one ? { key: parseKey(text, shape, path), others: [] } : parseKeys(text, shape, path)),
    warnings: [...openModes(path, stats), ...oddities(path, trimmed)],
  };
}

/**
 * Makes a key durable (invariant 4): creates a file of mode 0600, never overwrites one, syncs file and folder, reads
 * the file back and compares. If any step fails, the incomplete file is removed.
 *
 * @throws KeyturnError `key-file-differs` if the path exists, `key-file-unwritten` for any other failure.
 */
export function writeKeyFile(path: string, key: Key): void {
  writeSecretFile(path, key.text, 'the new key');
}

/**
 * Checks that a key file can be created, while nothing is changed yet.
 *
 * @throws KeyturnError `key-file-unwritten`
 */
export function assertCreatable(path: string): void {
  try {
    // The slash: a file in the place of the folder is an error too
    accessSync(`${dirname(path)}/`, constants.W_OK);
  } catch (cause) {
    throw unwritten(path, 'the new key', cause, creatableHint('--new-key-file'));
  }
}

/**
 * Makes a key durable whose file exists already: whoever wrote it may not have synced it.
 *
 * @throws KeyturnError `key-file-unwritten`
 */
export function syncKeyFile(path: string): void {
  try {
    const fd = openSync(path, process.platform === 'win32' ? 'r+' : 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncFolder(dirname(path));
  } catch (cause) {
    throw unwritten(path, 'the new key', cause, 'copy the key to a file on a local disk, and name that file');
  }
}

/**
 * Where a new key is kept has to outlive this process.
 *
 * @throws KeyturnError `key-file-unwritten`
 */
export function assertKept(path: string): void {
  if (!isVirtual(path)) return;
  throw new KeyturnError('key-file-unwritten', `${path} is not a file on a disk: the new key would be lost`, {
    hint: 'name a file with --new-key-file; keyturn writes a new key to it if it does not exist',
  });
}

/** Others who can write to the folder can replace the key. */
export function folderWarnings(path: string): string[] {
  if (process.platform === 'win32') return [];
  const folder = dirname(path);
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  const { mode, gid } = stats;
  const byGroup = (mode & 0o020) !== 0 && gid !== process.getgid?.();
  if ((mode & 0o002) === 0 && !byGroup) return [];
  return [`other users can write to ${folder}, the folder of the new key; use a folder of your own`];
}

/** Like writeKeyFile, for other secrets that must be kept with the key. */
export function writeSecretFile(path: string, text: string, what: string, option = '--new-key-file'): void {
  const fd = create(path, what, option);
  try {
    try {
      writeFileSync(fd, text, 'utf8');
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncFolder(dirname(path));
    if (!readFileSync(path).equals(Buffer.from(text, 'utf8')))
      throw new Error('the file does not read back as written');
  } catch (cause) {
    // The file is ours: it was created exclusively. The next run would take an incomplete file for the new key.
    const left = remove(path) ? 'the incomplete file was removed' : `remove ${path} before you try again`;
    throw unwritten(path, what, cause, `${left}; use ${option} to name a file on a local disk`);
  }
}

const creatableHint = (option: string): string =>
  `use ${option} to name a file in an existing folder that this user can write to`;

function create(path: string, what: string, option: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') throw existing(path, cause, option);
    throw unwritten(path, what, cause, creatableHint(option));
  }
}

function existing(path: string, cause: unknown, option: string): KeyturnError {
  return new KeyturnError('key-file-differs', `${path} already exists; key files are never overwritten`, {
    cause,
    hint: `name another file with ${option}, or move this one`,
  });
}

function unwritten(path: string, what: string, cause: unknown, hint: string): KeyturnError {
  const message = `cannot write ${what} to ${path}: ${reason(cause)}`;
  return new KeyturnError('key-file-unwritten', message, { cause, hint });
}

function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

function readBytes(path: string, pipes: boolean): { bytes: Buffer; stats: Stats } {
  try {
    return readPlainFile(path, { maxBytes, pipes });
  } catch (cause) {
    throw unread(path, cause);
  }
}

function unread(path: string, cause: unknown): KeyturnError {
  if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') {
    return new KeyturnError('key-file-missing', `key file ${path} not found`, {
      cause,
      hint: 'check the path',
    });
  }
  return new KeyturnError('key-file-unreadable', `cannot read the key file ${path}: ${reason(cause)}`, {
    cause,
    hint: 'it must be a file that this user can read',
  });
}

/** Undefined if the bytes are not UTF-8: the decoder's own error may quote them. */
function decode(bytes: Buffer): string | undefined {
  try {
    // ignoreBOM keeps a byte order mark in the text: the shape decides whether it is stripped.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** People mistake n8n's `config` for a key file; its text would pass as a key. */
function refuseConfig(text: string, path: string): void {
  if (!/^\s*\{/.test(text)) return;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  if (typeof value === 'object' && value !== null && 'encryptionKey' in value) {
    throw new KeyturnError('key-shape', `${path} is an application's configuration file, not a key file`, {
      hint: 'create a file that contains the value of encryptionKey and nothing else',
    });
  }
}

function openModes(path: string, stats: Stats): string[] {
  if (!stats.isFile() || process.platform === 'win32' || (stats.mode & 0o077) === 0) return [];
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  return [`${path} is accessible to other users (mode ${mode}); run chmod 600 on it`];
}

function oddities(path: string, text: string): string[] {
  return /[\r\n]/.test(text)
    ? [`${path} contains more than one line; all lines together are used as the key`]
    : [];
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOENT: 'the folder does not exist',
  ENOTDIR: 'the folder does not exist',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is exceeded',
  EROFS: 'the file system is read-only',
};

function reason(error: unknown): string {
  if (error instanceof NotAFile) return error.message;
  return reasons[codeOf(error) ?? ''] ?? (error instanceof Error ? error.message : String(error));
}
