import { closeSync, fsyncSync, openSync } from 'node:fs';

/** A file that is new or renamed is durable only once its folder's entry is (fsync(2)); Windows has no such call. */
export function syncFolder(path: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
