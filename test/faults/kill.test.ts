import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { postgresFixture, sqliteFixture } from '../support/n8n/fixture.ts';
import { truthOf } from '../support/n8n/truth.ts';
import { createDatabase } from '../support/postgres.ts';
import { expectLastPhaseSurvives, expectWhole, inFlight, rotateKilled } from './killed.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-kill-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('a rotation that is killed', () => {
  test.each(inFlight)('before the step %s of three chunks is finished by resume', async (step) => {
    const place = sqliteFixture('legacy-sqlite', dir);
    const truth = truthOf('legacy-sqlite');
    const ended = await rotateKilled(dir, place, truth, [`${step}:1`, `${step}:9`, `${step}:14`]);
    expect(ended.filter(({ signal }) => signal === 'SIGKILL')).toHaveLength(3);
    await expectWhole(dir, place, truth, ended);
  });

  test.each(['claim', 'write', 'commit', 'acknowledge'])(
    'before the step %s of three chunks on PostgreSQL is finished by resume',
    async (step) => {
      const place = await postgresFixture((await createDatabase()).url);
      const truth = truthOf('legacy-postgres');
      const ended = await rotateKilled(dir, place, truth, [`${step}:2`, `${step}:8`, `${step}:13`]);
      expect(ended.filter(({ signal }) => signal === 'SIGKILL')).toHaveLength(3);
      await expectWhole(dir, place, truth, ended);
    },
  );

  test.each(['verify', 'confirm'])(
    'before the step %s of the verification is finished by resume',
    async (step) => {
      const place = sqliteFixture('mixed-sqlite', dir);
      const truth = truthOf('mixed-sqlite');
      const ended = await rotateKilled(dir, place, truth, [`${step}:1`, `${step}:12`]);
      expect(ended.filter(({ signal }) => signal === 'SIGKILL')).toHaveLength(2);
      await expectWhole(dir, place, truth, ended);
    },
  );
});

test('a legacy key whose only copy is in deployment_key survives a kill at every step of its chunk', () =>
  expectLastPhaseSurvives(dir, (chunks) => chunks.slice(0, 1)));
