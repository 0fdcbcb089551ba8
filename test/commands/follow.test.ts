import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { expectEverySecret } from '../support/n8n/truth.ts';
import { consent, type Folder, keyturn, n8nFolder, tablesOf } from './keyturn.ts';

/** The commands after a finished rotation, in the order in which a user would run them. */
let folder: Folder;
let newKey: string[];
const at = (command: string, ...more: string[]) =>
  keyturn([...command.split(' '), '--database', folder.url, ...more], { cwd: folder.path });

beforeAll(async () => {
  folder = n8nFolder('mixed-sqlite');
  expect(await at('status')).toMatchObject({ code: 0, stdout: `there is no run in ${folder.url}\n` });
  expect(JSON.parse((await at('status', '--json')).stdout)).toMatchObject({ runs: [], report: null });
  expect(await keyturn(['rotate', ...folder.rotation, ...consent], { cwd: folder.path })).toMatchObject({
    code: 0,
  });
  newKey = ['--current-key-file', folder.file('new.key')];
});
afterAll(() => {
  folder.remove();
});

test('the rotation kept every secret', async () => {
  expect(await expectEverySecret({ url: folder.url }, folder.read('new.key'), 'mixed-sqlite')).toEqual([]);
});

test('status shows the run, from the database alone', async () => {
  const { code, stdout } = await at('status');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^State +verified\n/m);
  expect(stdout).toMatch(/^credentials_entity +80 +80 +100% +80 +100% +0 +#{10}$/m);
  const { runs, report } = JSON.parse((await at('status', '--json')).stdout);
  expect(runs).toHaveLength(1);
  expect(await at('status', '--run', runs[0].id)).toMatchObject({ code: 0 });
  expect(await at('status', '--run', 'none')).toMatchObject({ code: 2 });
  expect(report.run.id).toBe(runs[0].id);
});

test('report writes the report again, as text and as JSON', async () => {
  const text = await at('report', '--report-dir', 'again');
  expect(text.code).toBe(0);
  expect(text.stdout).toBe(folder.read('again/report.txt'));
  const json = await at('report', '--format', 'json', '--report-dir', 'again');
  expect(JSON.parse(json.stdout)).toEqual(JSON.parse(folder.read('again/report.json')));
});

test('exceptions list and retry report that there are none', async () => {
  expect(await at('exceptions list')).toMatchObject({
    code: 0,
    stdout: '',
    stderr: expect.stringContaining('0 exceptions'),
  });
  const { code, stderr } = await keyturn(['exceptions', 'retry', ...folder.rotation.slice(2)], {
    cwd: folder.path,
  });
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('has no exceptions') });
  expect(await keyturn(['resume', ...folder.rotation.slice(2)], { cwd: folder.path })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no unfinished run'),
  });
});

test('verify compares with the digests of the run', async () => {
  const before = folder.hash();
  const { code, stdout } = await at('verify', ...newKey, '--json');
  expect(code).toBe(0);
  const { report } = JSON.parse(stdout);
  expect(report.totals.verification).toMatchObject({ changed: 0, new: 0, gone: 0, exceptions: 0 });
  expect(report.totals.verification.proven).toBe(report.totals.verification.rows);
  expect(folder.hash()).toBe(before);
});

test('verify counts the rows that have changed since', async () => {
  const data = sealLegacy('{"changed":"since"}', folder.read('new.key'));
  folder.exec(
    `update credentials_entity set data = '${data}' where id = (select min(id) from credentials_entity)`,
  );
  const { code, stdout } = await at('verify', ...newKey, '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout).report.totals.verification).toMatchObject({ changed: 1, exceptions: 0 });
});

test('verify fails if a value cannot be decrypted, and names it', async () => {
  folder.exec(
    `update credentials_entity set data = 'U2FsdGVkX1' || substr(data, 11, 10) || 'AAAAAAAAAA' || substr(data, 31) where id = (select max(id) from credentials_entity where data not like '%:%')`,
  );
  const { code, stdout } = await at('verify', ...newKey);
  expect(code).toBe(5);
  expect(stdout).toMatch(/^EXCEPTIONS: 1 value cannot be decrypted/);
  expect(stdout).toMatch(/^ {2}credentials_entity row \S+, data: does-not-open$/m);
});

test('verify requires the right key, and a job if there is no run', async () => {
  const old = ['--current-key-file', folder.file('old.key')];
  expect(await at('verify', ...old)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no run of this database rotated to key'),
  });
  expect(await at('verify', ...old, '--job', 'n8n')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('does not decrypt this n8n database'),
  });
  const restored = n8nFolder();
  const args = ['verify', '--database', restored.url, '--current-key-file', restored.file('old.key')];
  const unsaid = await keyturn(args, { cwd: restored.path });
  expect(unsaid).toMatchObject({ code: 2, stderr: expect.stringContaining('no job given') });
  const said = await keyturn([...args, '--job', 'n8n'], { cwd: restored.path });
  expect(said).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^VERIFIED: the key decrypts every value\n/),
  });
  expect(tablesOf(restored.database).filter((name) => name.startsWith('keyturn_'))).toEqual([]);
  restored.remove();
});

test('forget requires a confirmation, then drops all tables of keyturn', async () => {
  expect(await at('forget')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
  const { code, stdout, stderr } = await at('forget', '--yes', '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('digests') });
  expect(JSON.parse(stdout).forgotten).toHaveLength(1);
  expect(tablesOf(folder.database).filter((name) => name.startsWith('keyturn_'))).toEqual([]);
  expect(await at('status')).toMatchObject({ code: 0, stdout: expect.stringContaining('there is no run') });
});
