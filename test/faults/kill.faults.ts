import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Ended, keyturn, rotation } from '../support/cli.ts';
import { postgresFixture, sqliteFixture } from '../support/n8n/fixture.ts';
import { expectMany, manySqlite } from '../support/n8n/many.ts';
import { truthOf } from '../support/n8n/truth.ts';
import { createDatabase } from '../support/postgres.ts';
import {
  expectEachChunkOnce,
  expectFinished,
  expectLastPhaseSurvives,
  inFlight,
  isVerified,
  runsIn,
} from './killed.ts';
import { randomFrom, seedOf } from './random.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-kill-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('a rotation that is killed', () => {
  test.each(inFlight)('before the step %s of three chunks is finished by resume', (step) =>
    expectFinished(
      dir,
      sqliteFixture('legacy-sqlite', dir),
      truthOf('legacy-sqlite'),
      [1, 9, 14].map((chunk) => `${step}:${chunk}`),
    ),
  );

  test.each(inFlight)(
    'before the step %s of three chunks on PostgreSQL is finished by resume',
    async (step) => {
      const place = await postgresFixture((await createDatabase()).url);
      const kills = [2, 8, 13].map((chunk) => `${step}:${chunk}`);
      await expectFinished(dir, place, truthOf('legacy-postgres'), kills);
    },
  );
});

test('a rotation that is killed again and again at random moments is finished by resume', async () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  const many = { credentials: 30_000, instanceKey: 'the old key of many credentials' };
  const place = manySqlite(join(dir, 'many.sqlite'), many);
  const { all, keys } = rotation(dir, place, many.instanceKey);
  const pace = ['--workers', '2', '--chunk-rows', '100'];
  const ended: Ended[] = [];
  // The last process can be killed between the verdict and its end
  while (!(await isVerified(place)) && ended.length < 40) {
    const args = (await runsIn(place)) === 0 ? ['rotate', ...all, ...pace] : ['resume', ...keys];
    // Each process rotates a few chunks before it is killed; the last ones are not killed
    const kill = ended.length < 25 ? { killAfter: 350 + random() * 550 } : {};
    ended.push(await keyturn(args, { cwd: dir, ...kill }));
  }
  expect(ended.filter(({ signal }) => signal === 'SIGKILL').length).toBeGreaterThanOrEqual(3);
  const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
  expect({ seed, problems: await expectMany(place, newKey, many) }).toEqual({ seed, problems: [] });
  await expectEachChunkOnce(place);
}, 600_000);

test(
  'a legacy key whose only copy is in deployment_key survives a kill at every step of the last phase',
  () => expectLastPhaseSurvives(dir, (chunks) => chunks),
  600_000,
);
