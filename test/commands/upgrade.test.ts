import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { keyturn as killed } from '../support/cli.ts';
import { expectEverySecret, truthOf } from '../support/n8n/truth.ts';
import { consent, type Folder, keyturn, n8nFolder } from './keyturn.ts';
import { refuses } from './refusal.ts';

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(() => {
  folder.remove();
});

test('an unfinished run of an older version is refused, and goes on with --upgradeDatabase', async () => {
  const rotate = ['rotate', ...folder.rotation, ...consent];
  const { signal } = await killed([...rotate, '--chunk-rows', '10'], {
    cwd: folder.path,
    killAt: 'commit:5',
  });
  expect(signal).toBe('SIGKILL');
  folder.exec('alter table keyturn_run drop column coordinator; update keyturn_version set version = 1');
  // What the killed process left in the write-ahead log belongs to the file, not to what a refusal may change
  folder.exec('pragma wal_checkpoint(truncate)');

  const expected = { code: 'checkpoint-version', message: /have version 1,/, hint: /--upgradeDatabase/ };
  await refuses(folder, rotate, expected);
  await refuses(folder, ['resume', ...folder.rotation.slice(2)], expected);

  const upgraded = await keyturn([...rotate, '--upgradeDatabase'], { cwd: folder.path });
  expect({ code: upgraded.code, stderr: upgraded.stderr }).toMatchObject({ code: 0 });
  const newKey = readFileSync(folder.file('new.key'), 'utf8').trim();
  expect(await expectEverySecret({ url: folder.url }, newKey, truthOf('legacy-sqlite'))).toEqual([]);
});
