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

test('an unfinished run of an older version is refused, with or without --upgradeDatabase', async () => {
  const rotate = ['rotate', ...folder.rotation, ...consent];
  const { signal } = await killed([...rotate, '--chunk-rows', '10'], {
    cwd: folder.path,
    killAt: 'commit:5',
  });
  expect(signal).toBe('SIGKILL');
  folder.exec('alter table keyturn_run drop column coordinator; update keyturn_version set version = 1');
  // The write-ahead log of the killed process must be in the file, which a refusal must not change.
  folder.exec('pragma wal_checkpoint(truncate)');

  const expected = {
    code: 'checkpoint-version',
    message: /was started with keyturn/,
    hint: /finish it with keyturn/,
  };
  await refuses(folder, rotate, expected);
  await refuses(folder, [...rotate, '--upgradeDatabase'], expected);
  await refuses(folder, ['resume', ...folder.rotation.slice(2)], expected);
});

test('a finished run of an older version is not authenticated; the next one upgrades its tables', async () => {
  const cwd = folder.path;
  expect((await keyturn(['rotate', ...folder.rotation, ...consent], { cwd })).code).toBe(0);
  folder.exec(`alter table keyturn_run drop column mac; alter table keyturn_run drop column heartbeat;
    alter table keyturn_chunk drop column plan_mac; alter table keyturn_chunk drop column digests_mac;
    alter table keyturn_chunk drop column rotated_mac; alter table keyturn_chunk drop column verified_mac;
    alter table keyturn_chunk drop column nested; update keyturn_version set version = 3`);
  const database = ['--database', folder.url];
  for (const command of ['status', 'report']) {
    const { code, stdout } = await keyturn([command, ...database], { cwd });
    expect({ command, code }).toEqual({ command, code: 0 });
    expect(stdout.replace(/\s+/g, ' ')).toContain('not authenticated');
  }
  const verified = await keyturn(['verify', ...database, '--current-key-file', 'new.key'], { cwd });
  expect({ code: verified.code, stderr: verified.stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('not authenticated'),
  });
  const again = [...database, '--job', 'n8n', '--current-key-file', 'new.key', '--new-key-file', 'third.key'];
  expect((await keyturn(['rotate', ...again, ...consent], { cwd })).code).toBe(2);
  const upgraded = await keyturn(['rotate', ...again, ...consent, '--upgradeDatabase'], { cwd });
  expect({ code: upgraded.code, stderr: upgraded.stderr }).toMatchObject({ code: 0 });
  const key = readFileSync(folder.file('third.key'), 'utf8').trim();
  expect(await expectEverySecret({ url: folder.url }, key, truthOf('legacy-sqlite'))).toEqual([]);
});
