import { KeyturnError } from '../error.ts';

const MB = 2 ** 20;

/** Measured (bench/README.md): what the process takes without rows, each worker thread, and each byte of a chunk at work. */
const ofProcess = 250 * MB;
const ofWorker = 140 * MB;
const perByte = 15;

const smallest = 256 * 1024;
const largest = 16 * MB;
/** More is hardly faster: rows of usual size fill a chunk's time before that. */
export const defaultChunkBytes = 4 * MB;

/**
 * The bytes that the rows of one chunk may have, so that the process stays within its memory. A row that is larger than that
 * is a chunk of its own, and is held as a whole.
 *
 * @param memory of the process; null: no limit was asked for
 * @throws KeyturnError `bad-option`
 */
export function chunkBytesWithin(memory: number | null, workers: number): number {
  if (memory === null) return defaultChunkBytes;
  const threads = Math.max(workers, 1);
  const left = (memory - ofProcess - threads * ofWorker) / (threads * perByte);
  if (left >= smallest) return Math.min(largest, Math.floor(left));
  const least = ofProcess + threads * (ofWorker + perByte * smallest);
  throw new KeyturnError(
    'bad-option',
    `--memory ${Math.floor(memory / MB)}MB is too little for ${threads} worker thread${threads === 1 ? '' : 's'}`,
    { hint: `use at least --memory ${Math.ceil(least / MB)}MB, or fewer threads with --workers` },
  );
}
