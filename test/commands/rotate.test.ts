import { existsSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOfTheRest } from '../support/n8n/rest.ts';
import { expectEverySecret, stillUnder, truthOf } from '../support/n8n/truth.ts';
import { consent, type Folder, keyturn, n8nFolder, tablesOf } from './keyturn.ts';

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(() => {
  folder.remove();
});

const rotate = (...more: string[]) => keyturn(['rotate', ...folder.rotation, ...more], { cwd: folder.path });

test('a database of the real n8n is rotated, verified and reported', async () => {
  const truth = truthOf('legacy-sqlite');
  const place = { url: folder.url };
  const rest = await digestOfTheRest(place);
  const { code, stdout, stderr } = await rotate(...consent);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/^VERIFIED: /);
  expect(stdout).toMatch(/Next steps:\n 1\. /);
  expect(stdout).toContain(folder.file('new.key'));
  expect(stderr).toMatch(/credentials_entity +67 rows/);
  expect(stderr).toMatch(
    /^run=\S+ state=rotating round=0 target=\S+ done=\d+ total=\d+ rows_per_s=\S+ eta=\S+ waiting=-$/m,
  );
  expect(statSync(folder.file('new.key')).mode & 0o777).toBe(0o600);
  expect(await expectEverySecret(place, folder.read('new.key'), truth)).toEqual([]);
  expect(await stillUnder(place, folder.oldKey, truth)).toEqual([]);
  expect(await digestOfTheRest(place)).toEqual(rest);
  const [text] = /\/.*report\.txt/.exec(stdout) ?? [''];
  expect(existsSync(text)).toBe(true);
});

test('no output contains the keys', async () => {
  const log = folder.file('keyturn.log');
  const { stdout, stderr } = await rotate(...consent, '--json', '--log-file', log, '--log-level', 'debug');
  const all = stdout + stderr + folder.read('keyturn.log');
  for (const key of [folder.oldKey, folder.read('new.key')]) expect(all).not.toContain(key);
});

test('with --json, stdout is one document', async () => {
  const { code, stdout } = await rotate(
    ...consent,
    '--json',
    '--operator',
    'me',
    '--ticket',
    'T-1',
    '--report-dir',
    'here',
  );
  expect(code).toBe(0);
  const document = JSON.parse(stdout);
  expect(document).toMatchObject({
    report: { verdict: { result: 'verified' }, authority: { operator: 'me', ticket: 'T-1', approver: null } },
    files: { json: folder.file('here/report.json') },
    newKeyFile: folder.file('new.key'),
    derivedSecretsFile: null,
  });
  expect(document.afterwards.length).toBeGreaterThan(3);
  expect(JSON.parse(folder.read('here/report.json'))).toEqual(document.report);
});

test('a second rotation can follow immediately', async () => {
  expect((await rotate(...consent)).code).toBe(0);
  const args = ['--job', 'n8n', '--database', folder.url, '--current-key-file', folder.file('new.key')];
  const second = await keyturn(['rotate', ...args, '--new-key-file', folder.file('newer.key'), ...consent], {
    cwd: folder.path,
  });
  expect(second).toMatchObject({ code: 0 });
  expect(await expectEverySecret({ url: folder.url }, folder.read('newer.key'), 'legacy-sqlite')).toEqual([]);
});

test('a dry run changes nothing and needs no confirmation', async () => {
  const before = folder.hash();
  const { code, stdout } = await rotate('--dry-run');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^DRY RUN PASSED: 96 values/);
  expect(folder.hash()).toBe(before);
  expect(existsSync(folder.file('new.key'))).toBe(false);
});

test('plan changes nothing, with and without a key', async () => {
  const before = folder.hash();
  const plan = ['plan', '--job', 'n8n', '--database', folder.url];
  const bare = await keyturn(plan);
  expect(bare.code).toBe(0);
  expect(bare.stdout).toMatch(/phase values:\n {2}credentials_entity +67 rows/);
  expect(bare.stdout).toContain('not in this database: git_connection');
  expect(bare.stdout).toContain('without the current key, keyturn cannot check');
  const full = await keyturn([...plan, '--current-key-file', folder.file('old.key'), '--json']);
  expect(full.code).toBe(0);
  expect(JSON.parse(full.stdout)).toMatchObject({
    keyId: expect.stringMatching(/^[0-9a-f]{16}$/),
    undeclared: [],
    unknown: [],
  });
  expect(folder.hash()).toBe(before);
  expect(tablesOf(folder.database).filter((name) => name.startsWith('keyturn_'))).toEqual([]);
});

describe('rotate', () => {
  test('accepts flags in kebab-case and in camelCase', async () => {
    const kebab = ['--i-really-want-to-rotate-my-master-key', '--i-have-backed-up-my-database'];
    const { rotation } = folder;
    const camel = rotation.map((word) => (word === '--current-key-file' ? '--currentKeyFile' : word));
    expect(await keyturn(['rotate-master-key', ...camel, ...kebab], { cwd: folder.path })).toMatchObject({
      code: 0,
    });
  });

  test('takes the database and the current key from the environment', async () => {
    const env = { KEYTURN_DATABASE: folder.url, KEYTURN_CURRENT_MASTER_KEY: folder.oldKey };
    const args = ['rotate', '--job', 'n8n', '--new-key-file', 'new.key', ...consent];
    expect(await keyturn(args, { cwd: folder.path, env })).toMatchObject({ code: 0 });
    expect(await expectEverySecret({ url: folder.url }, folder.read('new.key'), 'legacy-sqlite')).toEqual([]);
  });

  test('reads --masterKey - from stdin', async () => {
    const input = 'a key of my own, from a pipe\n';
    const { code, stderr } = await keyturn(['rotate', ...folder.rotation, ...consent, '--masterKey', '-'], {
      cwd: folder.path,
      input,
    });
    expect(code).toBe(0);
    expect(stderr).not.toContain('visible to other users');
    expect(folder.read('new.key')).toBe(input.trim());
    expect(await expectEverySecret({ url: folder.url }, input.trim(), 'legacy-sqlite')).toEqual([]);
  });

  test('warns of a key in --masterKey', async () => {
    const { code, stderr } = await rotate(...consent, '--masterKey', 'my own key');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^keyturn: warning: a key given with --masterKey is visible to other users/m);
    expect(folder.read('new.key')).toBe('my own key');
  });

  test('accepts --chunk-rows and --workers', async () => {
    const { code, stdout } = await rotate(...consent, '--chunk-rows', '10', '--workers', '3', '--json');
    expect(code).toBe(0);
    const { targets } = JSON.parse(stdout).report;
    expect(
      targets.find(({ target }: { target: string }) => target === 'credentials_entity').ranges.chunks,
    ).toBe(8);
  });

  test('does not rotate the column of --exclude, and reports the reason', async () => {
    folder.exec(
      'create table notes (id integer primary key, text text); insert into notes (text) select data from credentials_entity limit 1',
    );
    const before = folder.hash();
    const refused = await rotate(...consent);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('notes.text (1)') });
    expect(folder.hash()).toBe(before);
    const { code, stdout } = await rotate(...consent, '--exclude', 'notes.text=an old copy', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).report.inventory.undeclared).toEqual([
      expect.objectContaining({ table: 'notes', excluded: 'an old copy' }),
    ]);
  });

  test('accepts --table-prefix', async () => {
    for (const name of tablesOf(folder.database))
      if (!name.startsWith('sqlite_')) folder.exec(`alter table "${name}" rename to "p_${name}"`);
    expect(await rotate(...consent)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('add --table-prefix p_'),
    });
    expect(await rotate(...consent, '--table-prefix', 'p_')).toMatchObject({ code: 0 });
    expect(
      await expectEverySecret({ url: folder.url, prefix: 'p_' }, folder.read('new.key'), 'legacy-sqlite'),
    ).toEqual([]);
  });
});

test('executions outside the database are counted, and reported as not covered', async () => {
  folder.exec(`pragma foreign_keys = off; insert into execution_entity (workflowId, finished, mode, status, storedAt)
    select 'w', 0, 'manual', 'waiting', kind from
      (select 'fs' as kind union all select 's3' union all select 'az' union all select 'db')`);
  const bare = await keyturn(['plan', '--job', 'n8n', '--database', folder.url, '--json']);
  expect(JSON.parse(bare.stdout)).toMatchObject({ uncovered: [{ rows: 1 }, { rows: 2 }] });
  const { code, stderr } = await rotate(...consent, '--report-dir', 'here');
  expect({ code }).toEqual({ code: 0 });
  expect(stderr).toMatch(/warning: not covered: 1 executions whose data n8n keeps in files .*--attachments/);
  expect(folder.read('here/report.txt')).toMatch(/^Not covered +1 executions whose data n8n keeps in files/m);
});
