import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Folders of files that the kernel makes up: nothing that is written there stays. */
const virtualFolders = ['/proc', '/sys', '/dev/fd'];

/** A pipe has to deliver everything within this time. */
const pipeMs = 5_000;
const pauseMs = 20;
/** More than any file that may be a pipe. */
const mostPiped = 1024 * 1024;

/** A path that names no file on a disk. The message says what it is. */
export class NotAFile extends Error {}

/** What came through pipes, or why nothing did: a pipe can be read once only. */
const piped = new Map<string, Buffer | Error>();

/** Whether a file at this path would stay, whether or not there is one yet. */
export function isVirtual(path: string): boolean {
  return [resolve(path), realOf(path)].some((each) =>
    virtualFolders.some((folder) => each === folder || each.startsWith(folder + sep)),
  );
}

/** The path without links, as far as it exists. */
function realOf(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch {
    const parent = dirname(whole);
    return parent === whole ? whole : resolve(realOf(parent), whole.slice(parent.length + 1));
  }
}

/**
 * Reads a file of a user's that is small by nature; one byte more than `maxBytes` tells that it is not. Never waits for
 * what does not come: not for a pipe, nor for a device that has no end.
 *
 * @param pipes a pipe that `readPipes` has read is taken too
 * @param virtual a file that the kernel makes up is read too
 * @throws NotAFile, and what the file system throws
 */
export function readPlainFile(
  path: string,
  {
    maxBytes,
    pipes,
    virtual = false,
  }: { readonly maxBytes: number; readonly pipes: boolean; readonly virtual?: boolean },
): { readonly bytes: Buffer; readonly stats: Stats } {
  // Without O_NONBLOCK, opening a pipe waits for its writer
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = fstatSync(fd);
    assertReadable(path, stats, { pipes, virtual });
    return { bytes: stats.isFIFO() ? contentOf(path) : readAll(fd, maxBytes), stats };
  } finally {
    closeSync(fd);
  }
}

function assertReadable(
  path: string,
  stats: Stats,
  { pipes, virtual }: { readonly pipes: boolean; readonly virtual: boolean },
): void {
  if (stats.isFIFO() && pipes) return;
  if (stats.isFIFO()) throw new NotAFile('it is a pipe');
  if (stats.isDirectory()) throw new NotAFile('it is a folder');
  if (!stats.isFile()) throw new NotAFile('it is a device, not a file');
  if (stats.nlink === 0) throw new NotAFile('the file was deleted');
  if (!virtual && isVirtual(path)) throw new NotAFile('it is not a file on a disk');
}

function readAll(fd: number, maxBytes: number): Buffer {
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  for (let got = 1; got > 0 && length < buffer.length; length += got)
    got = readSync(fd, buffer, length, buffer.length - length, null);
  return buffer.subarray(0, length);
}

/**
 * Reads those of the files that are pipes, once and within five seconds each. `readPlainFile` has their content then, and
 * tells what is wrong with a file.
 */
export async function readPipes(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (piped.has(path) || !isPipe(path)) continue;
    const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      piped.set(path, await readPipe(fd));
    } catch (error) {
      piped.set(path, error as Error);
    } finally {
      closeSync(fd);
    }
  }
}

function isPipe(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFIFO();
  } catch {
    return false;
  }
}

function contentOf(path: string): Buffer {
  const content = piped.get(path) ?? new NotAFile('it is a pipe');
  if (content instanceof Error) throw content;
  return content;
}

/** A pipe that nobody has opened for writing reads as empty, as does one at its end. */
async function readPipe(fd: number): Promise<Buffer> {
  const buffer = Buffer.alloc(mostPiped);
  const until = performance.now() + pipeMs;
  let length = 0;
  while (length < buffer.length) {
    const got = readReady(fd, buffer, length);
    if (got === 0 && length > 0) break;
    if (got !== null) length += got;
    if (performance.now() > until) throw new NotAFile('nothing more was written to the pipe for 5 seconds');
    if (got === null || got === 0) await sleep(pauseMs);
  }
  return Buffer.from(buffer.subarray(0, length));
}

/** Null: nothing is there yet. */
function readReady(fd: number, buffer: Buffer, at: number): number | null {
  try {
    return readSync(fd, buffer, at, buffer.length - at, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null;
    throw error;
  }
}
