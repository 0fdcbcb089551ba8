import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
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

/** What a storm goes over. */
export interface Place {
  readonly ground: Ground;
  readonly hands: Hands;
  readonly many: Many;
}

/** One rotation under faults, from its first process to what is left of it. */
export class Rotation {
  readonly faults: Faults;
  readonly #place: Place;
  readonly #oldKey: string;
  readonly #weather: Weather;
  readonly #random: Random;
  readonly #folder = mkdtempSync(join(tmpdir(), 'keyturn-storm-'));
  readonly #disk: SmallDisk | null;
  readonly #checkpoint: Checkpoint;
  readonly #processes: Processes;

  private constructor(
    place: Place,
    oldKey: string,
    weather: Weather,
    random: Random,
    found: { readonly checkpoint: Checkpoint; readonly preload: string },
  ) {
    this.#place = place;
    this.#oldKey = oldKey;
    this.#weather = weather;
    this.#random = random;
    this.#checkpoint = found.checkpoint;
    this.#disk = smallDisk(join(this.#folder, 'kept'));
    const { ground, hands } = place;
    const { chunkRows, longStops } = weather;
    const folder = this.#folder;
    this.#processes = new Processes({ folder, ground, hands, chunkRows, oldKey, random, ...found });
    const [processes, checkpoint, disk] = [this.#processes, this.#checkpoint, this.#disk];
    this.faults = new Faults({ ground, hands, processes, checkpoint, disk, random, longStops });
  }

  static async start(place: Place, oldKey: string, weather: Weather, random: Random): Promise<Rotation> {
    const preload = await faketime();
    const checkpoint = await Checkpoint.open(place.ground.place);
    return new Rotation(place, oldKey, weather, random, { checkpoint, preload });
  }

  get newKey(): string {
    return readFileSync(join(this.#folder, 'kept', 'new.key'), 'utf8').trim();
  }

  /** Resolves a few chunks further, or when nothing has moved for a while; false once the run is over. */
  async further(): Promise<boolean> {
    const chunks = (this.#place.many.credentials / this.#weather.chunkRows) * 2;
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

  problems(): Promise<string[]> {
    return aftermath({
      ...this.#place,
      checkpoint: this.#checkpoint,
      processes: this.#processes,
      folder: this.#folder,
      disk: this.#disk,
      oldKey: this.#oldKey,
      newKey: this.newKey,
    });
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
