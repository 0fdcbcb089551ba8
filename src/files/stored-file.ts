import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { unlessMissing, unreadable } from './tree.ts';

const { O_RDONLY, O_NOFOLLOW } = constants;

/** Files are read and written so many bytes at a time, whatever their size. */
const blockBytes = 1024 * 1024;

/** One file that is open for reading, as it was when it was opened. */
export class StoredFile {
  readonly stats: BigIntStats;
  readonly #handle: FileHandle;
  readonly #place: string;

  private constructor(handle: FileHandle, stats: BigIntStats, place: string) {
    this.#handle = handle;
    this.stats = stats;
    this.#place = place;
  }

  /** Null: it is gone, or is no regular file any more. */
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

  /** What is at its place is still this very file, and nobody has written it since it was opened. */
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

  /** Hex SHA-256 of what is stored. */
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

/** Of a file that may not be there: then null. */
export async function sha256Of(place: string): Promise<string | null> {
  const file = await StoredFile.open(place);
  if (file === null) return null;
  try {
    return await file.sha256();
  } finally {
    await file.close();
  }
}
