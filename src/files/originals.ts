import { randomBytes } from 'node:crypto';
import {
  access,
  constants,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { geteuid } from 'node:process';
import { KeyturnError } from '../error.ts';
import { syncFolder } from '../sync-folder.ts';
import { NewFile } from './new-file.ts';
import { type StoredFile, sha256Of } from './stored-file.ts';
import { type Tree, unlessMissing } from './tree.ts';

/** The name that the vendor's own command gives the folder. */
const suffix = '_MasterKeyRotationBackup';
/** Names the run, in the tree and in the folder of its originals. A host that does not see both cannot work on them. */
const marker = '.keyturn-run';
const unfinishedCopy = '.keyturn-copy-';
/** Error codes of file systems that cannot make this hard link. */
const unlinkable = new Set(['EXDEV', 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EACCES']);

/** The folder beside a tree that keeps each file as it was before the run. Nothing in it is ever overwritten. */
export class Originals {
  readonly folder: string;
  readonly tree: Tree;

  constructor(tree: Tree) {
    this.tree = tree;
    this.folder = `${tree.folder}${suffix}`;
  }

  /** Called before the first change. Throws `attachments-backup` if the folder holds the originals of another run. */
  async assertFree(): Promise<void> {
    const there = await stat(this.folder).catch(unlessMissing);
    if (there !== undefined && !there.isDirectory()) throw this.#taken();
    const found = there === undefined ? [] : await readdir(this.folder);
    if (found.some((name) => name !== `${marker}.new`)) throw this.#taken();
  }

  /** Called before the first change. Throws `attachments-backup` if this user cannot write to the folders. */
  async assertWritable(): Promise<void> {
    const there = (await lstat(this.folder).catch(unlessMissing)) !== undefined;
    for (const folder of [this.tree.folder, there ? this.folder : dirname(this.folder)])
      await access(folder, constants.W_OK).catch((error: unknown) => {
        throw this.#unwritable(error);
      });
  }

  /** Marks the folder as this run's, unless it is already. */
  async claim(run: string): Promise<void> {
    try {
      if ((await this.#runOf(this.folder)) !== run) {
        await this.assertFree();
        await mkdir(this.folder, { recursive: true, mode: await this.#modeOf('') });
        await mark(this.folder, run);
        syncFolder(dirname(this.folder));
      }
      await mark(this.tree.folder, run);
    } catch (error) {
      throw error instanceof KeyturnError ? error : this.#unwritable(error);
    }
  }

  /** Whether this host sees the tree of this run and the folder of its originals. */
  async areOf(run: string): Promise<boolean> {
    const seen = await Promise.all([this.folder, this.tree.folder].map((folder) => this.#runOf(folder)));
    return seen.every((found) => found === run);
  }

  /** After the run: removes keyturn's files from the application's folder. The originals stay. */
  async release(run: string): Promise<void> {
    for await (const path of this.tree.leftovers(run)) await rm(this.tree.at(path), { force: true });
    for (const name of await readdir(this.folder))
      if (name.startsWith(unfinishedCopy)) await rm(join(this.folder, name), { force: true });
    await rm(join(this.tree.folder, marker), { force: true });
  }

  /**
   * Keeps the file that was read from `path`, as a hard link or, if the file stays in use, as a copy. False: the file has
   * changed since it was read. Call `syncFolder` with the folder of `placeOf` before the file is replaced.
   *
   * @param sha256 of what was read. Another original with the same path (of a late file) is kept beside the first.
   */
  async keep(path: string, file: StoredFile, sha256: string, as: 'link' | 'copy'): Promise<boolean> {
    await this.#makeFolder(dirname(path));
    for (const place of this.#placesOf(path, sha256)) {
      const kept = await sha256Of(place);
      if (kept === sha256) return true;
      if (kept !== null) continue;
      const linked = as === 'link' ? await linkTo(this.tree.at(path), place) : 'no';
      if (linked === 'no') return this.#copy(file, place, sha256);
      // Another worker made the link first
      if (linked === 'exists') return (await sha256Of(place)) === sha256;
      if (linked === 'gone') return false;
      const { ino } = await lstat(place, { bigint: true });
      if (ino === file.stats.ino) return true;
      await rm(place);
      return false;
    }
    throw new KeyturnError('attachments-backup', `${this.folder} already holds other originals of a file`, {
      hint: 'compare them with the backup; nothing in that folder is overwritten',
    });
  }

  /** The original with this SHA-256 in hex; null: there is none. */
  async read(path: string, sha256: string): Promise<Buffer | null> {
    for (const place of this.#placesOf(path, sha256))
      if ((await sha256Of(place)) === sha256) return readFile(place);
    return null;
  }

  placeOf(path: string): string {
    return join(this.folder, path);
  }

  #placesOf(path: string, sha256: string): readonly string[] {
    return [this.placeOf(path), `${this.placeOf(path)}.${sha256.slice(0, 16)}`];
  }

  /** Warnings for the operator. The originals stay, so their space is needed twice. */
  async warnings(bytes: number): Promise<string[]> {
    const user = geteuid?.() ?? 0;
    const { bavail, bsize } = await statfs(this.tree.folder);
    const [here, there] = await Promise.all([stat(this.tree.folder), stat(dirname(this.folder))]);
    return [
      ...(bavail * bsize < bytes
        ? [`the disk of ${this.tree.folder} does not have room for a second copy of its files`]
        : []),
      ...(here.uid === user || user === 0
        ? []
        : [
            `${this.tree.folder} belongs to another user, and the new files would belong to the current user: run keyturn as the owner, or as root`,
          ]),
      ...(here.dev === there.dev
        ? []
        : [`${this.folder} is on another disk than the files: originals are copied there, not linked`]),
    ];
  }

  async #copy(file: StoredFile, place: string, sha256: string): Promise<boolean> {
    const name = `${unfinishedCopy}${randomBytes(8).toString('hex')}`;
    const copy = await NewFile.create(join(this.folder, name));
    try {
      for await (const block of file.blocks()) await copy.write(block);
      const same = (await copy.finish(file)) === sha256;
      if (same) await rename(copy.place, place);
      return same;
    } finally {
      await copy.discard();
    }
  }

  async #makeFolder(folder: string): Promise<void> {
    const place = this.placeOf(folder);
    if ((await lstat(place).catch(unlessMissing)) !== undefined) return;
    await this.#makeFolder(dirname(folder));
    await mkdir(place, { mode: await this.#modeOf(folder) }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    syncFolder(dirname(place));
  }

  async #modeOf(folder: string): Promise<number> {
    return ((await lstat(this.tree.at(folder)).catch(unlessMissing))?.mode ?? 0o700) & 0o777;
  }

  async #runOf(folder: string): Promise<string | null> {
    return (await readFile(join(folder, marker), 'utf8').catch(unlessMissing)) ?? null;
  }

  #unwritable(cause: unknown): KeyturnError {
    const message = `${this.tree.folder} or ${this.folder} cannot be written`;
    return new KeyturnError('attachments-backup', message, {
      hint: 'files are replaced in the first folder, and the originals are kept in the second: allow this user to write to both',
      facts: { path: this.folder },
      cause,
    });
  }

  #taken(): KeyturnError {
    return new KeyturnError('attachments-backup', `${this.folder} holds the originals of another run`, {
      hint: 'move the folder away, or delete it when the old files are not needed any more',
      facts: { path: this.folder },
    });
  }
}

async function mark(folder: string, run: string): Promise<void> {
  const unfinished = join(folder, `${marker}.new`);
  const handle = await open(unfinished, 'w', 0o644);
  try {
    await handle.writeFile(run);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, join(folder, marker));
  syncFolder(folder);
}

/** `no`: this file system cannot make the link. */
async function linkTo(from: string, to: string): Promise<'linked' | 'no' | 'exists' | 'gone'> {
  try {
    await link(from, to);
    return 'linked';
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (unlinkable.has(code)) return 'no';
    if (code === 'EEXIST') return 'exists';
    if (code === 'ENOENT') return 'gone';
    throw error;
  }
}
