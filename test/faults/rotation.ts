import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  /** Whether faults are injected before the run exists, too. */
  readonly fromTheStart: boolean;
}

/** A run without progress for this long is stuck. */
const stuckMs = 180_000;
/** Another fault is injected after this time, even without progress. */
const impatientMs = 3_000;

/** Where a rotation takes place. */
export interface Place {
  readonly ground: Ground;
  readonly hands: Hands;
  readonly many: Many;
}

/** A key, and the derived secrets that were saved with it; null: none. */
export interface KeptKey {
  readonly key: string;
  readonly secrets: string | null;
}

/** One rotation with faults, from its first process to the check of the result. */
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
    old: KeptKey,
    weather: Weather,
    random: Random,
    found: { readonly checkpoint: Checkpoint; readonly preload: string },
  ) {
    this.#place = place;
    this.#oldKey = old.key;
    this.#weather = weather;
    this.#random = random;
    this.#checkpoint = found.checkpoint;
    this.#disk = smallDisk(join(this.#folder, 'kept'));
    const { ground, hands } = place;
    const { chunkRows, longStops } = weather;
    const folder = this.#folder;
    this.#processes = new Processes({ folder, ground, hands, chunkRows, oldKey: old.key, random, ...found });
    if (old.secrets !== null) writeFileSync(join(folder, 'old.key.derived-secrets.env'), old.secrets);
    const [processes, checkpoint, disk] = [this.#processes, this.#checkpoint, this.#disk];
    this.faults = new Faults({ ground, hands, processes, checkpoint, disk, random, longStops });
  }

  static async start(place: Place, old: KeptKey, weather: Weather, random: Random): Promise<Rotation> {
    const preload = await faketime();
    const checkpoint = await Checkpoint.open(place.ground.place);
    return new Rotation(place, old, weather, random, { checkpoint, preload });
  }

  get kept(): KeptKey {
    const file = join(this.#folder, 'kept', 'new.key');
    const secrets = `${file}.derived-secrets.env`;
    return {
      key: readFileSync(file, 'utf8').trim(),
      secrets: existsSync(secrets) ? readFileSync(secrets, 'utf8') : null,
    };
  }

  /** Resolves to true after a few more chunks, or after a while without progress; to false when the run is over. */
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

  /** Resolves when the run is over and its workers have stopped. No faults are injected any more. */
  async over(): Promise<void> {
    const { coordinator } = this.#processes;
    // With a full disk the new key could never be written
    if ((await this.#checkpoint.run()) === null) this.#disk?.free();
    let last = '';
    let since = performance.now();
    while (!(await coordinator.isDone())) {
      this.#assertEnds();
      const now = JSON.stringify(await this.#checkpoint.progress());
      if (now !== last) since = performance.now();
      last = now;
      if (performance.now() - since > stuckMs)
        throw new Error(`the run makes no progress: ${last}\n${this.#processes.told()}`);
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
      newKey: this.kept.key,
    });
  }

  async close(): Promise<void> {
    await this.faults.over();
    await this.#processes.kill();
    await this.#checkpoint.close();
    this.#disk?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Without this check a process that always fails would be started again for ever. */
  #assertEnds(): void {
    const problems = this.#processes.problems();
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }
}
