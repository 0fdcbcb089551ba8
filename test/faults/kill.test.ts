import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from '@jest/globals';
import { postgresFixture, sqliteFixture } from '../support/n8n/fixture.ts';
import { truthOf } from '../support/n8n/truth.ts';
import { createDatabase } from '../support/postgres.ts';
import { expectFinished, expectLastPhaseSurvives } from './killed.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-kill-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

/** Each step of a chunk at least once: kill.faults.ts has each of them in three chunks. */
describe('a rotation that is killed', () => {
  test.each([
    ['find:1', 'read:9', 'open:14'],
    ['claim:1', 'write:9', 'complete:14'],
    ['commit:1', 'acknowledge:9', 'claim:14'],
  ])('at %s, %s and %s is finished by resume', (...kills) =>
    expectFinished(dir, sqliteFixture('legacy-sqlite', dir), truthOf('legacy-sqlite'), kills),
  );

  test.each([
    ['claim:2', 'commit:8', 'write:13'],
    ['write:2', 'acknowledge:8', 'commit:13'],
  ])('at %s, %s and %s on PostgreSQL is finished by resume', async (...kills) => {
    const place = await postgresFixture((await createDatabase()).url);
    await expectFinished(dir, place, truthOf('legacy-postgres'), kills);
  });

  test.each([
    ['verify:1', 'verify:12'],
    ['confirm:1', 'confirm:12'],
  ])('at %s and %s of the verification is finished by resume', (...kills) =>
    expectFinished(dir, sqliteFixture('mixed-sqlite', dir), truthOf('mixed-sqlite'), kills),
  );
});

test('a legacy key whose only copy is in deployment_key survives a kill at every step of its chunk', () =>
  expectLastPhaseSurvives(dir, (chunks) => chunks.slice(0, 1)));
