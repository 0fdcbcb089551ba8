import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { KeyturnError } from '../error.ts';

/** Smaller folders are read again: a chunk has about this many files. */
const large = 1000;
/** Number of large folders that are kept; about 100 bytes per name. */
const most = 4;

interface Kept {
  /** Changes with every name that is added or removed. */
  readonly mark: string;
  readonly entries: Promise<readonly Dirent[]>;
}

/**
 * Entries of large folders, sorted by the bytes of their names. Each folder is read once for many chunks, because finding
 * the files of one chunk takes reading the whole folder, which may have a million files.
 */
export class Listings {
  readonly #whatever: boolean;
  readonly #kept = new Map<string, Kept>();

  /**
   * @param of `this moment`: a folder that changed is read again. `some moment`: it is not; files added since are in no
   * range, and the verification finds them.
   */
  constructor(of: 'this moment' | 'some moment') {
    this.#whatever = of === 'some moment';
  }

  async of(place: string): Promise<readonly Dirent[]> {
    const { ino, ctimeNs } = await lstat(place, { bigint: true });
    const mark = this.#whatever ? '' : `${ino} ${ctimeNs}`;
    const before = this.#kept.get(place);
    this.#kept.delete(place);
    const entries = before?.mark === mark ? before.entries : readFolder(place);
    // Kept before it is read: two chunks may ask at the same time
    this.#kept.set(place, { mark, entries });
    const found = await entries.catch((error: unknown) => {
      this.#kept.delete(place);
      throw error;
    });
    if (found.length < large) this.#kept.delete(place);
    for (const oldest of [...this.#kept.keys()].slice(0, -most)) this.#kept.delete(oldest);
    return found;
  }
}

export async function readFolder(place: string): Promise<Dirent[]> {
  const entries = await readdir(place, { withFileTypes: true });
  if (entries.some(({ name }) => name.includes('\ufffd'))) throw notUnicode(place);
  return entries.sort((a, b) => compareNames(a.name, b.name));
}

/** Surrogates: UTF-16 sorts them before U+E000, UTF-8 sorts their characters after it. */
const surrogates = /[\ud800-\udfff]/;

/** By the bytes of the names. */
export function compareNames(a: string, b: string): number {
  if (surrogates.test(a) || surrogates.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : Number(a > b);
}

function notUnicode(folder: string): KeyturnError {
  return new KeyturnError('attachments-missing', `${folder} has a file whose name is not UTF-8`, {
    hint: 'keyturn stores file names as Unicode: rename the file',
  });
}
