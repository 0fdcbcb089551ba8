import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { consent } from '../commands/keyturn.ts';
import type { Checkpoint } from './checkpoint.ts';
import { Clock } from './clock.ts';
import type { Ground } from './grounds.ts';
import type { Hands } from './hands.ts';
import { Kept } from './kept.ts';
import type { Random } from './random.ts';

export interface Casting {
  /** The working folder of these processes: `old.key`, logs, and `kept/` with the new key and the report. */
  readonly folder: string;
  readonly ground: Ground;
  readonly hands: Hands;
  readonly checkpoint: Checkpoint;
  readonly chunkRows: number;
  readonly oldKey: string;
  /** Path of libfaketime. */
  readonly preload: string;
  readonly random: Random;
}

const endMs = 90_000;

/** The processes of one rotation: a coordinator with two threads, or one with two worker processes. */
export class Processes {
  readonly coordinator: Kept;
  readonly workers: readonly Kept[];
  readonly #folder: string;
  readonly #random: Random;

  constructor({ folder, ground, hands, checkpoint, chunkRows, oldKey, preload, random }: Casting) {
    this.#folder = folder;
    this.#random = random;
    writeFileSync(join(folder, 'old.key'), oldKey, { mode: 0o600 });
    mkdirSync(join(folder, 'logs'));
    const { url } = hands;
    const keys = ['--current-key-file', 'old.key', '--new-key-file', 'kept/new.key'];
    const place = ['--database', ground.url, ...keys, ...(url === null ? [] : ['--queue', url])];
    const here = ['--report-dir', 'kept/report', ...(url === null ? ['--workers', '2'] : [])];
    const pace = ['--chunk-rows', String(chunkRows)];
    let logs = 0;
    const log = () => ['--log-file', `logs/${++logs}.log`, '--log-level', 'debug'];
    const home = (name: string) => ({
      folder,
      clock: new Clock(join(folder, `${name}.clock`), preload, random),
    });
    // --force: the test itself is connected, which looks like an application
    this.coordinator = new Kept('coordinator', home('coordinator'), async () => {
      const run = await checkpoint.run();
      if (run?.state === 'verified') return null;
      return run === null
        ? ['rotate', '--job', 'n8n', '--force', ...place, ...consent, ...pace, ...here, ...log()]
        : ['resume', '--force', ...place, ...here, ...log()];
    });
    this.workers = (url === null ? [] : ['worker 1', 'worker 2']).map(
      (name) => new Kept(name, home(name), async () => ['worker', ...place, '--concurrency', '1', ...log()]),
    );
  }

  get all(): readonly Kept[] {
    return [this.coordinator, ...this.workers];
  }

  anyone(): Kept {
    return this.#random() < 0.6 ? this.worker() : this.coordinator;
  }

  /** A worker process, or the coordinator if it runs the workers itself. */
  worker(): Kept {
    return this.workers[Math.floor(this.#random() * this.workers.length)] ?? this.coordinator;
  }

  /** Asks the workers to stop and resolves when they have. */
  async end(): Promise<void> {
    const stopped = Promise.all(this.workers.map((worker) => worker.end()));
    const late = sleep(endMs, 'late', { ref: false });
    if ((await Promise.race([stopped, late])) === 'late')
      throw new Error(`workers do not stop:\n${this.told()}`);
  }

  async kill(): Promise<void> {
    await Promise.allSettled(this.all.map((process) => process.kill()));
  }

  /** How often the logs report each chunk as rotated or failed. The last line of a killed process can be missing. */
  logged(): Map<number, { rotated: number; failed: number }> {
    const told = new Map<number, { rotated: number; failed: number }>();
    const logs = join(this.#folder, 'logs');
    for (const name of readdirSync(logs)) {
      for (const line of readFileSync(join(logs, name), 'utf8').split('\n')) {
        const [, chunk, what] = /"chunk":(\d+).*"msg":"chunk (rotated|failed)"/.exec(line) ?? [];
        if (chunk === undefined) continue;
        const of = told.get(Number(chunk)) ?? { rotated: 0, failed: 0 };
        of[what as 'rotated' | 'failed']++;
        told.set(Number(chunk), of);
      }
    }
    return told;
  }

  /** Processes with this working folder in their environment, child processes included, that have not ended. */
  left(): string[] {
    return readdirSync('/proc').flatMap((pid) => {
      try {
        const words = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/environ`, 'utf8') : '';
        return words.includes(this.#folder) ? [`process ${pid} is left`] : [];
      } catch {
        return [];
      }
    });
  }

  problems(): string[] {
    return this.all.flatMap((process) => process.problems());
  }

  told(): string {
    return this.all.map((process) => process.told()).join('\n');
  }
}
