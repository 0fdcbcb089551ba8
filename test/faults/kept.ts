import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Ended, type Started, start } from '../commands/keyturn.ts';
import { type Clock, forgetClockOf } from './clock.ts';

export interface Home {
  readonly folder: string;
  readonly clock: Clock;
}

/** Exit codes and messages with which a process may end by itself during faults. A supervisor would start it again. */
const mayEnd: Readonly<Record<string, RegExp>> = {
  2: /unreachable|out of reach|not reach|does not answer|cannot connect|ECONN|terminat|the disk is full/i,
  3: /resume with|run the command again|wedged/,
  4: /run lock|another keyturn process/,
};

/** A process that is started again whenever it ends too early. */
export class Kept {
  readonly name: string;
  readonly exits: Ended[] = [];
  readonly done: Promise<void>;
  readonly #home: Home;
  readonly #next: () => Promise<readonly string[] | null>;
  readonly #left: string[] = [];
  #now: Started | null = null;
  #asked = false;

  /** @param next the arguments of the next start; null when the process is no longer needed. */
  constructor(name: string, home: Home, next: () => Promise<readonly string[] | null>) {
    this.name = name;
    this.#home = home;
    this.#next = next;
    this.done = this.#keep();
    this.done.catch(() => undefined);
  }

  get clock(): Clock {
    return this.#home.clock;
  }

  async isDone(): Promise<boolean> {
    const now = new Promise<false>((resolve) => setImmediate(() => resolve(false)));
    return Promise.race([this.done.then(() => true), now]);
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#now?.child.exitCode === null && this.#now.child.kill(signal);
  }

  /** Stops the process with SIGTERM and does not start it again. */
  async end(): Promise<void> {
    this.#asked = true;
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    await this.done;
  }

  async kill(): Promise<void> {
    this.#asked = true;
    this.signal('SIGKILL');
    await this.done;
  }

  /** Exits that no fault explains, and temporary files that were left behind. */
  problems(): string[] {
    const ends = this.exits
      .filter(({ code, signal, stderr }) => {
        if (signal === 'SIGKILL' || code === 0) return false;
        // It was asked to stop before it could handle the signal
        if (signal === 'SIGTERM' && stderr === '') return false;
        return !mayEnd[String(code)]?.test(stderr);
      })
      .map(({ code, signal, stderr }) => `${this.name} ended with ${code ?? signal}: ${stderr.slice(-900)}`);
    return [...ends, ...this.#left];
  }

  told(): string {
    const ends = this.exits.map(
      ({ code, signal, stderr }) => `  ended ${signal ?? code}: ${stderr.slice(-300)}`,
    );
    return [`${this.name}: ${(this.#now?.output() ?? '').slice(-1500)}`, ...ends.slice(-5)].join('\n');
  }

  async #keep(): Promise<void> {
    while (!this.#asked) {
      const args = await this.#next();
      if (args === null || this.#asked) return;
      const { folder, clock } = this.#home;
      const temporary = join(folder, 'tmp', `${this.name} ${this.exits.length + 1}`);
      mkdirSync(temporary, { recursive: true });
      this.#now = start(args, { cwd: folder, env: { TMPDIR: temporary, ...clock.env } });
      this.#now.child.stdin.end();
      const ended = await this.#now.ended;
      forgetClockOf(this.#now.child.pid);
      this.#now = null;
      this.exits.push(ended);
      // A killed process cannot remove its files
      if (ended.signal === null)
        for (const name of readdirSync(temporary)) this.#left.push(`${this.name} left ${name} in TMPDIR`);
    }
  }
}
