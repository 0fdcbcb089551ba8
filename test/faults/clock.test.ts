import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { keyturn, rotation } from '../support/cli.ts';
import { manySqlite } from '../support/n8n/many.ts';
import { needing } from '../support/needing.ts';
import { faketime } from './clock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-clock-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

needing('faketime').test('the newest run is still the last one after the clock was set back', async () => {
  const place = manySqlite(join(dir, 'database.sqlite'), { credentials: 20, instanceKey: 'the first key' });
  const ahead = { LD_PRELOAD: await faketime(), FAKETIME: '+10d' };
  const first = rotation(dir, place, 'the first key', { newKey: join(dir, 'second.key') });
  expect(await keyturn(['rotate', ...first.all], { cwd: dir, env: ahead })).toMatchObject({ code: 0 });

  const secondKey = readFileSync(join(dir, 'second.key'), 'utf8');
  const second = rotation(dir, place, secondKey, { newKey: join(dir, 'third.key') });
  const rotated = await keyturn(['rotate', ...second.all, '--json'], { cwd: dir });
  expect(rotated).toMatchObject({ code: 0 });

  const status = await keyturn(['status', '--database', place.url, '--json'], { cwd: dir });
  expect(JSON.parse(status.stdout).report.run.id).toBe(JSON.parse(rotated.stdout).report.run.id);
});
