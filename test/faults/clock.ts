import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install } from '../support/debian.ts';
import type { Random } from './random.ts';

const shelf = '/usr/lib';
const library = /-linux-gnu.*$/;

/** Path of libfaketime's library for threads, in which the time of a thread never goes back. */
export async function faketime(): Promise<string> {
  await install('faketime');
  const [found] = readdirSync(shelf)
    .filter((name) => library.test(name))
    .map((name) => join(shelf, name, 'faketime'))
    .filter((folder) => entries(folder).includes('libfaketimeMT.so.1'));
  return join(String(found), 'libfaketimeMT.so.1');
}

/** The clock of a process, which jumps by hours while the process runs. */
export class Clock {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;
  readonly #random: Random;
  /** Whether the monotonic clock jumps too, as after a suspend; otherwise only the wall clock jumps, in both directions. */
  readonly #monotonic: boolean;
  #offset = 0;

  constructor(file: string, preload: string, random: Random) {
    this.#file = file;
    this.#random = random;
    this.#monotonic = random() < 0.5;
    this.env = {
      LD_PRELOAD: preload,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      ...(!this.#monotonic && { FAKETIME_DONT_FAKE_MONOTONIC: '1' }),
    };
    this.#set(0);
  }

  jump(): void {
    const seconds = Math.ceil(this.#random() * 6 * 3_600);
    const back = !this.#monotonic && this.#random() < 0.5;
    this.#set(this.#offset + (back ? -2 : 1) * seconds);
  }

  #set(offset: number): void {
    this.#offset = offset;
    // Replaced by a rename, because the file is read at every call
    writeFileSync(`${this.#file}.new`, `${offset < 0 ? '' : '+'}${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Removes the library's shared memory, which a killed process leaves behind. */
export function forgetClockOf(pid: number | undefined): void {
  for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`])
    rmSync(join('/dev/shm', name), { force: true });
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
