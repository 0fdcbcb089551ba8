import type { Dirent } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { KeyturnError } from '../error.ts';
import { compareNames, type Listings, readFolder } from './listings.ts';

/** Names of keyturn's own files beside the application's: `.keyturn-run`, `.keyturn-<run>-<chunk>-<random>`. */
const ownName = /^\.keyturn-(run(\.new)?|\d{8}-\d{6}-[0-9a-f]{6}-\d+-[0-9a-f]{16})$/;

/** `(after, upTo]`; null is an open end. */
export interface PathRange {
  readonly after: string | null;
  readonly upTo: string | null;
}

/** Which files of a folder belong to a tree. Absent or empty: all. */
export interface TreeFilter {
  /** Names of subfolders. */
  readonly folders?: readonly string[];
  /** Names of files, in any subfolder. */
  readonly names?: readonly string[];
}

/** Size of a tree. Symbolic links and special files are not followed, only counted as `passedOver`. */
export interface TreeCount {
  readonly files: number;
  readonly bytes: number;
  readonly passedOver: number;
}

/**
 * The regular files of a folder, by their relative paths with `/` between the parts. They are sorted part by part, by
 * bytes, so that a range is found without reading folders outside it.
 */
export class Tree {
  readonly folder: string;
  readonly #folders: ReadonlySet<string> | null;
  readonly #names: ReadonlySet<string> | null;
  readonly #listings: Listings | null;

  /**
   * @param only the subfolders and the file names that belong to the tree, whether they exist or not; none: all.
   * @param listings entries that `files` and `boundAfter` may use; null: each folder is read when it is needed.
   */
  constructor(folder: string, only: TreeFilter = {}, listings: Listings | null = null) {
    this.folder = resolve(folder);
    this.#folders = setOf(only.folders);
    this.#names = setOf(only.names);
    this.#listings = listings;
  }

  /** The full path of a file. */
  at(path: string): string {
    return join(this.folder, path);
  }

  async *files(range: PathRange = { after: null, upTo: null }): AsyncGenerator<string> {
    for await (const [path, entry] of this.#walk('', range)) if (entry.isFile()) yield path;
  }

  async count(): Promise<TreeCount> {
    const found = { files: 0, bytes: 0, passedOver: 0 };
    for await (const [path, entry] of this.#walk('', { after: null, upTo: null })) {
      if (!entry.isFile()) found.passedOver++;
      else {
        found.files++;
        found.bytes += await this.size(path);
      }
    }
    return found;
  }

  /** 0: the file was removed. */
  async size(path: string): Promise<number> {
    return (await lstat(this.at(path)).catch(unlessMissing))?.size ?? 0;
  }

  /** The last of the next files: at most `files`, about `bytes` bytes, but at least one file. Null: none is left. */
  async boundAfter(after: string | null, limit: { files: number; bytes: number }): Promise<string | null> {
    let last: string | null = null;
    let [files, bytes] = [0, 0];
    for await (const path of this.files({ after, upTo: null })) {
      bytes += await this.size(path);
      if (last !== null && bytes > limit.bytes) break;
      last = path;
      if (++files >= limit.files) break;
    }
    return last;
  }

  /** keyturn's own files in a folder, for a run or one of its chunks, that were neither renamed nor removed. */
  async ownNames(folder: string, of: string): Promise<string[]> {
    const names = (await this.#entries(folder === '.' ? '' : folder, null)).map(({ name }) => name);
    return names.filter((name) => ownName.test(name) && name.startsWith(`.keyturn-${of}-`));
  }

  /** keyturn's own files of a run in the whole tree. */
  async *leftovers(run: string, folder = ''): AsyncGenerator<string> {
    for (const name of await this.ownNames(folder, run)) yield joined(folder, name);
    for (const entry of await this.#entries(folder, null))
      if (entry.isDirectory()) yield* this.leftovers(run, joined(folder, entry.name));
  }

  async *#walk(folder: string, range: PathRange): AsyncGenerator<[string, Dirent]> {
    const entries = await this.#entries(folder, this.#listings);
    for (let i = firstFrom(entries, nextPart(folder, range.after)); i < entries.length; i++) {
      const entry = entries[i] as Dirent;
      if (folder === '' && this.#folders?.has(entry.name) === false) continue;
      if (ownName.test(entry.name)) continue;
      if (!entry.isDirectory() && this.#names?.has(entry.name) === false) continue;
      const path = joined(folder, entry.name);
      if (range.upTo !== null && comparePaths(path, range.upTo) > 0) return;
      if (entry.isDirectory()) {
        if (range.after === null || !isWhollyBefore(path, range.after)) yield* this.#walk(path, range);
      } else if (range.after === null || comparePaths(path, range.after) > 0) yield [path, entry];
    }
  }

  async #entries(folder: string, listings: Listings | null): Promise<readonly Dirent[]> {
    const place = this.at(folder);
    const reading = listings === null ? readFolder(place) : listings.of(place);
    return reading.catch((error: unknown) => {
      if (error instanceof KeyturnError) throw error;
      if (folder !== '' && isMissing(error)) return [];
      throw unreadable(place, error);
    });
  }
}

function setOf(names: readonly string[] = []): ReadonlySet<string> | null {
  return names.length === 0 ? null : new Set(names);
}

function joined(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

/** The next part of a path below the folder; null: the path is elsewhere. */
function nextPart(folder: string, path: string | null): string | null {
  const head = folder === '' ? '' : `${folder}/`;
  return path?.startsWith(head) ? (path.slice(head.length).split('/')[0] ?? null) : null;
}

/** Index of the first entry that does not come before the name. */
function firstFrom(entries: readonly Dirent[], name: string | null): number {
  let [low, high] = [0, name === null ? 0 : entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareNames(entries[middle]?.name ?? '', name ?? '') < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Part by part, so that all files of a folder follow each other. */
export function comparePaths(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const order = compareNames(left[i] ?? '', right[i] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function isWhollyBefore(folder: string, path: string): boolean {
  const depth = folder.split('/').length;
  return comparePaths(folder, path.split('/').slice(0, depth).join('/')) < 0;
}

/** For files that may be removed at any time. */
export function unlessMissing(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** For a file or a folder that exists. */
export function unreadable(place: string, cause: unknown): KeyturnError {
  return new KeyturnError('attachments-missing', `${place} cannot be read`, {
    hint: 'use --attachments with the folder of the encrypted files; this user must be able to read and write it',
    facts: { path: place },
    cause,
  });
}
