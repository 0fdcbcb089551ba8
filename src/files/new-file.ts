import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import type { StoredFile } from './stored-file.ts';
import { unlessMissing } from './tree.ts';

/** A file that is written beside the file that it will replace. Nothing changes there until `replace`. */
export class NewFile {
  readonly place: string;
  readonly #handle: FileHandle;
  readonly #hash = createHash('sha256');
  #done = false;

  private constructor(handle: FileHandle, place: string) {
    this.#handle = handle;
    this.place = place;
  }

  static async create(place: string): Promise<NewFile> {
    return new NewFile(await open(place, 'wx', 0o600), place);
  }

  async write(bytes: Buffer): Promise<void> {
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at);
      at += bytesWritten;
    }
  }

  /** Copies owner, mode and times of the other file, and syncs. Returns the SHA-256 of what was written, in hex. */
  async finish({ stats }: StoredFile): Promise<string> {
    // Only root may change the owner; any other user owns the files here
    await this.#handle.chown(Number(stats.uid), Number(stats.gid)).catch(() => undefined);
    await this.#handle.chmod(Number(stats.mode) & 0o7777);
    await this.#handle.utimes(Number(stats.atimeMs) / 1000, Number(stats.mtimeNs / 1000n) / 1_000_000);
    await this.#handle.sync();
    await this.#handle.close();
    this.#done = true;
    return this.#hash.digest('hex');
  }

  /** False: the file or the folder was removed. */
  async replace(place: string): Promise<boolean> {
    return rename(this.place, place).then(
      () => true,
      (error) => unlessMissing(error) ?? false,
    );
  }

  async discard(): Promise<void> {
    if (!this.#done) await this.#handle.close();
    this.#done = true;
    await rm(this.place, { force: true });
  }
}
