import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { KeyturnError } from '../error.ts';

/** Smaller folders are read again instead: a chunk has about as many files. */
const large = 1000;
/** Of large folders; about 100 bytes a name. */
const most = 4;

interface Kept {
  /** What changes with every name that comes or goes. */
  readonly mark: string;
  readonly entries: Promise<readonly Dirent[]>;
}

/**
 * What large folders hold, in the order of the names' bytes: each is read once for many chunks, since a chunk of a
 * folder of a million files is found by reading all of it.
 */
export class Listings {
  readonly #whatever: boolean;
  readonly #kept = new Map<string, Kept>();

  /**
   * @param of `this moment`: a folder that changed is read again. `some moment`: it is not; what has come since is in no
   * range, and is for the verification to find.
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
    // Also before it is read: two chunks may ask at once
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

/** Halves of a character that UTF-16 needs two for stand before U+E000 there, and behind it in UTF-8. */
const halves = /[\ud800-\udfff]/;

/** By their bytes. */
export function compareNames(a: string, b: string): number {
  if (halves.test(a) || halves.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : Number(a > b);
}

function notUnicode(folder: string): KeyturnError {
  return new KeyturnError('attachments-missing', `${folder} has a file whose name is not UTF-8`, {
    hint: 'keyturn keeps names as Unicode text: rename it',
  });
}
