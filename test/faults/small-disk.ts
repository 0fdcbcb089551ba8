import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small file system that can be filled to the last byte. */
export interface SmallDisk {
  readonly path: string;
  readonly full: boolean;
  /** Fills the disk except for this number of bytes. */
  fill(butFor?: number): void;
  free(): void;
  close(): void;
}

/** Mounted at `path`; null if this user cannot mount file systems. */
export function smallDisk(path: string, bytes = 256 * 1024): SmallDisk | null {
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'keyturn-test', path], { stdio: 'ignore' });
  } catch {
    return null;
  }
  const filler = join(path, 'filler');
  let full = false;
  return {
    path,
    get full() {
      return full;
    },
    fill(butFor = 0) {
      full = true;
      try {
        for (;;) appendFileSync(filler, Buffer.alloc(4_096));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
      truncateSync(filler, statSync(filler).size - butFor);
    },
    free() {
      full = false;
      rmSync(filler, { force: true });
    },
    close() {
      execFileSync('umount', [path], { stdio: 'ignore' });
    },
  };
}

export function mayMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'keyturn-mount-'));
  const disk = smallDisk(path);
  disk?.close();
  rmSync(path, { recursive: true });
  return disk !== null;
}
