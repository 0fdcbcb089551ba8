import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { engines, expectFinished, leaveScenes, next, sceneOf, wholeFolder } from '../rotation/file-scene.ts';
import type { Ended } from '../support/cli.ts';
import { problemsOf } from '../support/files/tree.ts';
import { createSqlite } from '../support/sqlite.ts';
import { randomFrom, seedOf } from './random.ts';

afterEach(leaveScenes);

test('a run over files that is killed again and again at random moments is finished by a resume', async () => {
  const seed = seedOf();
  const random = randomFrom(seed);
  const { run, rotation, attachments, tree, where, world } = await sceneOf(createSqlite, wholeFolder);
  const ended: Ended[] = [];
  const verified = async (): Promise<boolean> => {
    const states = await world.exec('select state from keyturn_run').catch(() => []);
    return states[0]?.state === 'verified';
  };
  // The last process can be killed between the verdict and its end
  while (!(await verified()) && ended.length < 40) {
    const begun =
      ended.some(({ stderr }) => /state=rotating|run /.test(stderr)) ||
      existsSync(`${tree.folder}_MasterKeyRotationBackup`);
    const args = begun
      ? ['resume', ...where, ...attachments, '--force']
      : [...rotation, ...attachments, '--chunk-rows', '5'];
    ended.push(await run(args, ended.length < 20 ? { killAfter: 400 + random() * 500 } : {}));
    expect([0, null]).toContain(ended.at(-1)?.code ?? null);
  }
  expect(ended.filter(({ signal }) => signal === 'SIGKILL').length).toBeGreaterThan(2);
  expect({ seed, problems: problemsOf(tree, next) }).toEqual({ seed, problems: [] });
}, 600_000);

describe.each(engines)('files beside a database on %s', (_, create) => {
  test.each([
    ...['open', 'intend', 'keep', 'rename', 'renamed'],
    ...['claim', 'commit', 'acknowledge', 'verify', 'confirm'],
  ])('a run that is killed at the step %s of two chunks is finished by a resume', async (step) =>
    expectFinished(await sceneOf(create, wholeFolder, 60), [`${step}:1`, `${step}:4`]),
  );
});
