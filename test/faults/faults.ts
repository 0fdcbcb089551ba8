import { setTimeout as sleep } from 'node:timers/promises';
import { BullmqQueue } from '../../src/queue/bullmq.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { CuttingProxy } from './cutting-proxy.ts';
import type { Ground } from './grounds.ts';
import type { Hands } from './hands.ts';
import type { Kept } from './kept.ts';
import type { Processes } from './processes.ts';
import { type Random, shuffled } from './random.ts';
import type { SmallDisk } from './small-disk.ts';

/** What the faults are injected into. */
export interface Scene {
  readonly ground: Ground;
  readonly hands: Hands;
  readonly processes: Processes;
  readonly checkpoint: Checkpoint;
  /** Holds the key file and the report. */
  readonly disk: SmallDisk | null;
  readonly random: Random;
  /** Whether processes are also stopped for longer than their locks in the queue last. */
  readonly longStops: boolean;
}

/** BullMQ's lock lasts 20 s. */
const beyondLockMs = 24_000;

/** The faults that can be injected into a rotation, by name. */
export class Faults {
  /** Each returns false when there was nothing to inject the fault into. */
  readonly kinds: Readonly<Record<string, () => Promise<boolean>>>;
  readonly #scene: Scene;
  readonly #frozen = new Set<Promise<void>>();
  readonly #calm = new AbortController();

  constructor(scene: Scene) {
    this.#scene = scene;
    this.kinds = {
      ...this.#ofProcesses(),
      ...this.#ofTheDatabase(),
      ...this.#ofTheQueue(),
      ...this.#ofTheDisk(),
    };
  }

  /** Ends all faults that last: stopped processes continue. */
  async over(): Promise<void> {
    this.#calm.abort();
    await Promise.all(this.#frozen);
  }

  #ofProcesses(): Faults['kinds'] {
    const { processes, random, longStops } = this.#scene;
    const hasWorkers = processes.workers.length > 0;
    return {
      'coordinator killed': async () => processes.coordinator.signal('SIGKILL'),
      'process stopped': async () => this.#freeze(processes.anyone(), 200 + random() * 2_000),
      'clock jumped': async () => {
        processes.anyone().clock.jump();
        return true;
      },
      ...(hasWorkers && { 'worker killed': async () => processes.worker().signal('SIGKILL') }),
      ...(hasWorkers &&
        longStops && {
          'worker stopped beyond its lock': async () => this.#freeze(processes.worker(), beyondLockMs),
        }),
    };
  }

  #ofTheDatabase(): Faults['kinds'] {
    const { ground, random } = this.#scene;
    const { proxy, server } = ground;
    return {
      'database disturbed': () => ground.disturb(),
      ...(server !== null && {
        'database server killed and restarted': async () => {
          await server.end(random() < 0.5 ? 'crash' : 'shutdown');
          await this.#down();
          await server.restart();
          return true;
        },
      }),
      ...(proxy !== null && {
        'connection to the database cut': () => this.#cut(proxy, 20_000),
        'answer to a commit lost': () => this.#armed(proxy, proxy.loseCommit()),
      }),
    };
  }

  #ofTheQueue(): Faults['kinds'] {
    const { redis, proxy, direct } = this.#scene.hands;
    return {
      ...(direct !== null && { 'hints repeated and out of order': () => this.#hint(direct) }),
      ...(proxy !== null && { 'connection to the queue cut': () => this.#cut(proxy, 3_000) }),
      ...(redis !== null && {
        'Redis restarted with its data': async () => {
          await redis.kill();
          await this.#down();
          await redis.restart();
          return true;
        },
        'Redis restarted without its data': async () => {
          await redis.cli('flushall');
          await redis.kill();
          await this.#down();
          await redis.restart();
          return true;
        },
        'Redis flushed': async () => {
          await redis.cli('flushall');
          return true;
        },
      }),
    };
  }

  /** The disk stays full until this fault is chosen again: a report or a key file of that time cannot be written. */
  #ofTheDisk(): Faults['kinds'] {
    const { disk } = this.#scene;
    if (disk === null) return {};
    return {
      'disk of key file and report filled': async () => {
        const { full } = disk;
        if (full) disk.free();
        else disk.fill();
        return !full;
      },
    };
  }

  /** Returns at once: other faults are injected while the process is stopped. */
  #freeze(process: Kept, ms: number): boolean {
    if (!process.signal('SIGSTOP')) return false;
    const thawed = sleep(ms, undefined, { signal: this.#calm.signal })
      .catch(() => undefined)
      .then(() => {
        process.signal('SIGCONT');
        this.#frozen.delete(thawed);
      });
    this.#frozen.add(thawed);
    return true;
  }

  async #down(): Promise<void> {
    await sleep(this.#scene.random() * 1_500);
  }

  #cut(proxy: CuttingProxy, bytes: number): Promise<boolean> {
    return this.#armed(proxy, proxy.cutAfter(1 + Math.floor(this.#scene.random() * bytes)));
  }

  async #armed(proxy: CuttingProxy, hit: Promise<void>): Promise<boolean> {
    const waited = sleep(5_000, false, { ref: false });
    const done = await Promise.race([hit.then(() => true), waited]);
    if (!done) proxy.disarm();
    return done;
  }

  /** Offers hints of chunks in every state, with past, present and future generations. */
  async #hint(url: string): Promise<boolean> {
    const { checkpoint, random } = this.#scene;
    const rows = await checkpoint.chunks();
    if (rows.length === 0) return false;
    const queue = await BullmqQueue.open(url).catch(() => null);
    if (queue === null) return false;
    const hints = shuffled(rows, random)
      .slice(0, 30)
      .map(({ run, chunk, generation }) => ({
        run: String(run),
        chunk: Number(chunk),
        generation: Number(generation) + Math.floor(random() * 4) - 1,
      }));
    await queue.offer(hints);
    await queue.close();
    return true;
  }
}
