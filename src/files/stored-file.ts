import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { unlessMissing, unreadable } from './tree.ts';

const { O_RDONLY, O_NOFOLLOW } = constants;

/** Number of bytes that are read and written at a time. */
const blockBytes = 1024 * 1024;

/** A file that is open for reading, with its state when it was opened. */
export class StoredFile {
  readonly stats: BigIntStats;
  readonly #handle: FileHandle;
  readonly #place: string;

  private constructor(handle: FileHandle, stats: BigIntStats, place: string) {
    this.#handle = handle;
    this.stats = stats;
    this.#place = place;
  }

  /** Null: the file was removed, or is not a regular file any more. */
  static async open(place: string): Promise<StoredFile | null> {
    const handle = await open(place, O_RDONLY | O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES' || error.code === 'EPERM') throw unreadable(place, error);
      return error.code === 'ELOOP' ? undefined : unlessMissing(error);
    });
    if (handle === undefined) return null;
    const stats = await handle.stat({ bigint: true });
    if (stats.isFile()) return new StoredFile(handle, stats, place);
    await handle.close();
    return null;
  }

  get size(): number {
    return Number(this.stats.size);
  }

  /** The path still leads to this file, and the file was not written since it was opened. */
  async isUnchanged(): Promise<boolean> {
    const now = await lstat(this.#place, { bigint: true }).catch(unlessMissing);
    if (now === undefined || !now.isFile()) return false;
    return isSame(now, this.stats) && now.ino === this.stats.ino;
  }

  async read(position: number, length: number): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }

  async *blocks(from = 0): AsyncGenerator<Buffer> {
    for (let at = from; ; ) {
      const block = await this.read(at, Math.min(blockBytes, Math.max(1, this.size - at)));
      if (block.length === 0) return;
      yield block;
      at += block.length;
    }
  }

  /** SHA-256 of the stored content, in hex. */
  async sha256(): Promise<string> {
    const hash = createHash('sha256');
    for await (const block of this.blocks()) hash.update(block);
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  return a.dev === b.dev && a.size === b.size && a.mtimeNs === b.mtimeNs;
}

/** Null: there is no such file. */
export async function sha256Of(place: string): Promise<string | null> {
  const file = await StoredFile.open(place);
  if (file === null) return null;
  try {
    return await file.sha256();
  } finally {
    await file.close();
  }
}
