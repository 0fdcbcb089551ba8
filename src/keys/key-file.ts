import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { KeyturnError } from '../error.ts';
import { syncFolder } from '../sync-folder.ts';
import { Key } from './key.ts';
import type { KeyEncoding, KeyShape } from './key-shape.ts';

/** No key is longer; keeps a wrong path (a database, /dev/zero) from being read whole. */
const maxBytes = 64 * 1024;

export interface ReadKey {
  readonly key: Key;
  /** For people; never the key. */
  readonly warnings: readonly string[];
}

/**
 * The key in a file, in the text form that the application itself uses. A pipe will do as well (`<(vault read …)`).
 *
 * @throws KeyturnError `key-file-missing`, `key-file-unreadable`, `key-file-empty`, `key-shape`.
 */
export function readKeyFile(path: string, shape: KeyShape): ReadKey {
  const { bytes, stats } = readBytes(path);
  if (bytes.length > maxBytes) {
    throw new KeyturnError('key-shape', `${path} is too large for a key file`, {
      hint: 'is this the right file',
    });
  }
  const text = decode(bytes);
  if (text === undefined) {
    throw new KeyturnError('key-shape', `${path} is not UTF-8 text`, {
      hint: 'a key file holds the key as the application writes it',
    });
  }
  const trimmed = trim(text, shape);
  if (trimmed.trim() === '') {
    throw new KeyturnError('key-file-empty', `${path} is empty`, {
      hint: 'a key file holds the key and nothing else',
    });
  }
  refuseConfig(text, path);
  return {
    key: parseKey(text, shape, path),
    warnings: [...openModes(path, stats), ...oddities(path, trimmed)],
  };
}

/**
 * The key that a text stands for, after what the application strips.
 *
 * @param from where the text came from, for the error.
 * @throws KeyturnError `key-shape`, without the text.
 */
export function parseKey(text: string, shape: KeyShape, from = 'the key'): Key {
  const value = trim(text, shape);
  if (value === '') throw new KeyturnError('key-shape', `${from} is empty`);
  if (shape.form === 'text') return Key.fromText(value);
  const bytes = Buffer.from(value, shape.form);
  // Node's decoder skips what it does not know; only a text that encodes back to itself was really base64 or hex.
  const spelled = canonical(value, shape.form);
  const same =
    spelled === written(bytes, shape.form) ||
    (shape.form === 'base64url' && spelled === bytes.toString('base64url'));
  if (!same) throw new KeyturnError('key-shape', `${from} is not ${shape.form}`, { hint: sizeHint(shape) });
  if (shape.bytes !== undefined && !shape.bytes.includes(bytes.length)) {
    throw new KeyturnError('key-shape', `${from} is a key of ${bytes.length} bytes`, {
      hint: sizeHint(shape),
    });
  }
  return Key.fromBytes(bytes, value);
}

/** Python's urlsafe_b64decode, which reads Fernet keys, takes the standard alphabet too. */
function canonical(text: string, encoding: KeyEncoding): string {
  if (encoding === 'hex') return text.toLowerCase();
  return encoding === 'base64url' ? text.replaceAll('+', '-').replaceAll('/', '_') : text;
}

/** A new random key of the shape. */
export function generateKey(shape: KeyShape): Key {
  const bytes = randomBytes(shape.generate.bytes);
  const text = written(bytes, shape.generate.as);
  return shape.form === 'text' ? Key.fromText(text) : Key.fromBytes(bytes, text);
}

/** Node leaves the padding out of base64url, without which Python's decoder refuses it. */
function written(bytes: Buffer, encoding: KeyEncoding): string {
  const text = bytes.toString(encoding);
  return encoding === 'base64url' ? text.padEnd(4 * Math.ceil(bytes.length / 3), '=') : text;
}

/**
 * Makes a key durable (invariant 4): a new file of mode 0600, never an existing one, on disk with its folder entry,
 * read back and compared. What fails half-way is removed again.
 *
 * @throws KeyturnError `key-file-differs` when the path exists, `key-file-unwritten` for everything else.
 */
export function writeKeyFile(path: string, key: Key): void {
  writeSecretFile(path, key.text, 'the new key');
}

/** As writeKeyFile, for whatever else must be kept beside the key. */
export function writeSecretFile(path: string, text: string, what: string): void {
  const fd = create(path, what);
  try {
    try {
      writeFileSync(fd, text, 'utf8');
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncFolder(dirname(path));
    if (!readFileSync(path).equals(Buffer.from(text, 'utf8'))) throw new Error('it reads back differently');
  } catch (cause) {
    // Ours for sure: it was created exclusively. A partial key left behind would be taken for the new key by the next run.
    const left = remove(path) ? 'nothing is left there' : `remove ${path} before you try again`;
    throw unwritten(path, what, cause, `${left}; choose a place on a local disk with --new-key-file`);
  }
}

function create(path: string, what: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') throw existing(path, cause);
    throw unwritten(
      path,
      what,
      cause,
      'name a file in an existing folder that this user may write, with --new-key-file',
    );
  }
}

function existing(path: string, cause: unknown): KeyturnError {
  return new KeyturnError('key-file-differs', `${path} exists, and a key file is never overwritten`, {
    cause,
    hint: 'name another file with --new-key-file, or move this one away',
  });
}

function unwritten(path: string, what: string, cause: unknown, hint: string): KeyturnError {
  const message = `${what} could not be written to ${path}: ${reason(cause)}`;
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

function readBytes(path: string): { bytes: Buffer; stats: Stats } {
  try {
    const fd = openSync(path, 'r');
    try {
      const buffer = Buffer.alloc(maxBytes + 1);
      let length = 0;
      for (let got = 1; got > 0 && length < buffer.length; length += got) {
        got = readSync(fd, buffer, length, buffer.length - length, null);
      }
      return { bytes: buffer.subarray(0, length), stats: fstatSync(fd) };
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw unread(path, cause);
  }
}

function unread(path: string, cause: unknown): KeyturnError {
  if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') {
    return new KeyturnError('key-file-missing', `there is no key file ${path}`, {
      cause,
      hint: 'check the path',
    });
  }
  return new KeyturnError('key-file-unreadable', `the key file ${path} cannot be read: ${reason(cause)}`, {
    cause,
    hint: 'it must be a file that this user may read',
  });
}

/** Undefined when the bytes are not UTF-8: what the decoder throws may quote them. */
function decode(bytes: Buffer): string | undefined {
  try {
    // ignoreBOM keeps a byte order mark in the text: whether it goes is the shape's to say.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function trim(text: string, shape: KeyShape): string {
  if (shape.trim === 'none') return text;
  const value = text.trim();
  if (shape.trim === 'space') return value;
  const quote = value.at(0);
  const quoted = value.length >= 2 && (quote === '"' || quote === "'") && value.endsWith(quote);
  return quoted ? value.slice(1, -1) : value;
}

/** n8n's `config` is the file that people take for the key file; as a text it would pass for a key. */
function refuseConfig(text: string, path: string): void {
  if (!/^\s*\{/.test(text)) return;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  if (typeof value === 'object' && value !== null && 'encryptionKey' in value) {
    throw new KeyturnError('key-shape', `${path} is an application's configuration, not a key file`, {
      hint: 'make a file that holds the value of encryptionKey and nothing else',
    });
  }
}

function openModes(path: string, stats: Stats): string[] {
  if (!stats.isFile() || process.platform === 'win32' || (stats.mode & 0o077) === 0) return [];
  const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
  return [`${path} is open to other users (mode ${mode}); chmod 600 it`];
}

function oddities(path: string, text: string): string[] {
  return /[\r\n]/.test(text)
    ? [`${path} holds more than one line; all of them together are taken as the key`]
    : [];
}

function sizeHint(shape: KeyShape): string {
  const sizes = shape.bytes === undefined ? '' : ` of ${shape.bytes.join(' or ')} bytes`;
  return `expected a key${sizes}, written in ${shape.form}`;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOENT: 'there is no such folder',
  ENOTDIR: 'there is no such folder',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EROFS: 'the file system is read-only',
};

function reason(error: unknown): string {
  return reasons[codeOf(error) ?? ''] ?? (error instanceof Error ? error.message : String(error));
}
