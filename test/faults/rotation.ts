import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Many } from '../support/n8n/many.ts';
import { aftermath } from './aftermath.ts';
import { Checkpoint } from './checkpoint.ts';
import { faketime } from './clock.ts';
import { Faults } from './faults.ts';
import type { Ground } from './grounds.ts';
import type { Hands } from './hands.ts';
import { Processes } from './processes.ts';
import type { Random } from './random.ts';
import { type SmallDisk, smallDisk } from './small-disk.ts';

export interface Weather {
  readonly chunkRows: number;
  readonly longStops: boolean;
  /** Faults hit the preparation too; else only once the run is there. */
  readonly fromTheStart: boolean;
}

/** Without any progress for so long something is stuck. */
const stuckMs = 180_000;
/** Faults hit a run that stands still too. */
const impatientMs = 3_000;

/** One rotation under faults, from its first process to what is left of it. */
export class Rotation {
  readonly faults: Faults;
  readonly #many: Many;
  readonly #oldKey: string;
  readonly #weather: Weather;
  readonly #random: Random;
  readonly #folder: string;
  readonly #ground: Ground;
  readonly #hands: Hands;
  readonly #checkpoint: Checkpoint;
  readonly #processes: Processes;
  readonly #disk: SmallDisk | null;

  private constructor(
    { ground, hands, many }: { readonly ground: Ground; readonly hands: Hands; readonly many: Many },
    oldKey: string,
    weather: Weather,
    random: Random,
    checkpoint: Checkpoint,
    preload: string,
  ) {
    this.#ground = ground;
    this.#hands = hands;
    this.#many = many;
    this.#oldKey = oldKey;
    this.#weather = weather;
    this.#random = random;
    this.#checkpoint = checkpoint;
    this.#folder = mkdtempSync(join(tmpdir(), 'keyturn-storm-'));
    const kept = join(this.#folder, 'kept');
    mkdirSync(kept);
    this.#disk = smallDisk(kept);
    const { chunkRows, longStops } = weather;
    const folder = this.#folder;
    const casting = { folder, ground, hands, checkpoint, chunkRows, oldKey, preload, random };
    this.#processes = new Processes(casting);
    const processes = this.#processes;
    this.faults = new Faults({ ground, hands, processes, checkpoint, disk: this.#disk, random, longStops });
  }

  static async start(
    where: { readonly ground: Ground; readonly hands: Hands; readonly many: Many },
    oldKey: string,
    weather: Weather,
    random: Random,
  ): Promise<Rotation> {
    const preload = await faketime();
    const checkpoint = await Checkpoint.open(where.ground.place);
    return new Rotation(where, oldKey, weather, random, checkpoint, preload);
  }

  get newKey(): string {
    return readFileSync(join(this.#folder, 'kept', 'new.key'), 'utf8').trim();
  }

  /** Resolves a few chunks further, or when nothing has moved for a while; false once the run is over. */
  async further(): Promise<boolean> {
    const chunks = (this.#many.credentials / this.#weather.chunkRows) * 2;
    const { steps } = await this.#checkpoint.progress();
    const enough = steps + 1 + this.#random() * Math.min(40, chunks / 12);
    let giveUpAt = performance.now() + impatientMs;
    for (;;) {
      this.#assertEnds();
      if (await this.#processes.coordinator.isDone()) return false;
      const progress = await this.#checkpoint.progress();
      if (!this.#weather.fromTheStart && progress.state === null) giveUpAt = performance.now() + impatientMs;
      if (progress.steps >= enough || performance.now() > giveUpAt) return true;
      await sleep(15);
    }
  }

  /** No more faults: resolves when the run is over and its workers have stopped. */
  async over(): Promise<void> {
    const { coordinator } = this.#processes;
    // Without a place for the new key it would be refused for ever
    if ((await this.#checkpoint.run()) === null) this.#disk?.free();
    let last = '';
    let since = performance.now();
    while (!(await coordinator.isDone())) {
      this.#assertEnds();
      const now = JSON.stringify(await this.#checkpoint.progress());
      if (now !== last) since = performance.now();
      last = now;
      if (performance.now() - since > stuckMs)
        throw new Error(`the run stands still: ${last}\n${this.#processes.told()}`);
      await sleep(50);
    }
    await coordinator.done;
    await this.faults.over();
    await this.#processes.end();
  }

  async problems(): Promise<string[]> {
    const problems = await aftermath({
      ground: this.#ground,
      hands: this.#hands,
      checkpoint: this.#checkpoint,
      processes: this.#processes,
      many: this.#many,
      folder: this.#folder,
      disk: this.#disk,
      oldKey: this.#oldKey,
      newKey: this.newKey,
    });
    return problems;
  }

  async close(): Promise<void> {
    await this.faults.over();
    await this.#processes.kill();
    await this.#checkpoint.close();
    this.#disk?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A process that refuses for good would be started again for ever. */
  #assertEnds(): void {
    const problems = this.#processes.problems();
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }
}
