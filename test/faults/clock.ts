import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { install } from '../support/debian.ts';
import type { Random } from './random.ts';

const shelf = '/usr/lib';
const library = /-linux-gnu.*$/;

/** Path of libfaketime's library: the one for threads, in which time never goes back for one of them. */
export async function faketime(): Promise<string> {
  await install('faketime');
  const [found] = readdirSync(shelf)
    .filter((name) => library.test(name))
    .map((name) => join(shelf, name, 'faketime'))
    .filter((folder) => entries(folder).includes('libfaketimeMT.so.1'));
  return join(String(found), 'libfaketimeMT.so.1');
}

/** The clock that a process goes by, which jumps by hours while the process runs. */
export class Clock {
  readonly env: Readonly<Record<string, string>>;
  readonly #file: string;
  readonly #random: Random;
  /** The clock that never goes back, too, as after a machine's sleep; else only the wall's, to and fro. */
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
    // Renamed: it is read at every look at the clock
    writeFileSync(`${this.#file}.new`, `${offset < 0 ? '' : '+'}${offset}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** The library's own shared memory, which a process that is killed leaves behind. */
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
