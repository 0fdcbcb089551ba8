import { afterAll, beforeAll, describe, test } from '@jest/globals';
import type { Engine } from '../rotation/places.ts';
import { checkpointBetween } from './checkpoint-rotated.ts';
import { checkpointDuring } from './checkpoint-rotating.ts';
import { checkpointAfter, checkpointVerifying } from './checkpoint-verified.ts';
import { type Damage, prove } from './damage.ts';
import { dataAfter } from './data-after.ts';
import { dataBetween } from './data-between.ts';
import { dataBefore, dataDuring } from './data-early.ts';
import { keyFiles, keyFilesAround } from './key-files.ts';
import { options, storedJobAfter, storedJobDuring } from './stored-job.ts';
import { World } from './world.ts';

export const kinds = {
  'the data': [...dataBefore, ...dataDuring, ...dataBetween, ...dataAfter],
  'the key files': [...keyFiles, ...keyFilesAround],
  'the checkpoint': [...checkpointDuring, ...checkpointBetween, ...checkpointVerifying, ...checkpointAfter],
  'the stored job': [...storedJobDuring, ...options, ...storedJobAfter],
} as const satisfies Readonly<Record<string, readonly Damage[]>>;

export type Kind = keyof typeof kinds;

export function damages(engine: Engine, names: readonly Kind[], which: (damage: Damage) => boolean): void {
  let world: World;
  beforeAll(async () => {
    world = await World.open(engine);
  });
  afterAll(() => world.close());

  describe.each(names)(`on ${engine}, damage to %s is noticed`, (name) => {
    for (const damage of kinds[name] as readonly Damage[]) {
      if ((damage.only ?? engine) !== engine || !which(damage)) continue;
      test(`${damage.at}: ${damage.name}`, () => prove(world, damage));
    }
  });
}
