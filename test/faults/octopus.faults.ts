import { afterEach, test } from '@jest/globals';
import { decisions, expectRotated, keysOf, leaveScenes, sceneOf } from '../rotation/octopus-scene.ts';
import { sqlite } from '../support/octopus/dialect.ts';
import { createSqlite } from '../support/sqlite.ts';

afterEach(leaveScenes);

test.each([
  [32, 16],
  [16, 16],
])(
  'from a key of %d bytes to one of %d everything of Octopus is found by its shape and rotated, and nothing else is changed',
  async (from, to) => {
    const scene = await sceneOf(createSqlite, sqlite, keysOf(from, to), { secrets: 2_000 });
    await expectRotated(scene, await decisions(scene));
  },
);
