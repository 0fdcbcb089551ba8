import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Ended, keyturn } from '../support/cli.ts';
import { createMysqlDatabase } from '../support/mariadb.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { expectMany, manySqlite } from '../support/n8n/many.ts';
import { needing } from '../support/needing.ts';

const credentials = 60;
const oldKey = 'the key before it';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-rollback-'));
  writeFileSync(join(folder, 'old.key'), oldKey, { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
const backup = '--iHaveBackedUpMyDatabase';

function run(words: readonly string[], killAt?: string): Promise<Ended> {
  return keyturn([...words], { cwd: folder, ...(killAt !== undefined && { killAt }) });
}

test('a killed rotation is rolled back by a rollback that is killed too', async () => {
  const place = manySqlite(join(folder, 'database.sqlite'), { credentials, instanceKey: oldKey });
  const database = ['--database', 'sqlite:database.sqlite'];
  const rotate = ['rotate', '--job', 'n8n', ...database, ...keys, backup, '--iReallyWantToRotateMyMasterKey'];
  const rollback = ['rollback', ...database, ...keys, backup, '--yes'];

  const nothing = await run(rollback);
  expect([nothing.code, nothing.stderr]).toEqual([2, expect.stringContaining('no run to roll back')]);
  expect((await run([...rotate, '--chunk-rows', '10'], 'commit:4')).signal).toBe('SIGKILL');

  const unconfirmed = await run(rollback.slice(0, -1));
  expect([unconfirmed.code, unconfirmed.stderr]).toEqual([2, expect.stringContaining('--yes')]);
  const oneKey = await run(['rollback', ...database, ...keys.slice(0, 2), backup, '--yes']);
  expect([oneKey.code, oneKey.stderr]).toEqual([2, expect.stringContaining('files of both keys')]);
  const swapped = ['--current-key-file', 'new.key', '--new-key-file', 'old.key'];
  const wrong = await run(['rollback', ...database, ...swapped, backup, '--yes']);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('but the given keys are')]);

  expect((await run(rollback, 'commit:2')).signal).toBe('SIGKILL');
  const again = await run(rotate);
  expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('is unfinished')]);
  const mistaken = await run(['resume', ...database, ...swapped]);
  expect([mistaken.code, mistaken.stderr]).toEqual([2, expect.stringContaining('goes back from key')]);
  const resumed = await run(['resume', ...database, ...keys]);
  expect([resumed.code, resumed.stderr]).toEqual([0, expect.stringContaining('resuming run')]);
  expect(resumed.stdout).toMatch(
    /^VERIFIED: the old key decrypts every value again, and no value has changed$/m,
  );
  expect(resumed.stdout).toContain('in old.key');
  expect(resumed.stdout).toContain('back to the old key');
  expect(await expectMany(place, oldKey, { credentials })).toEqual([]);
  const report = /^report: +(.*)$/m.exec(resumed.stdout)?.[1] ?? '';
  expect(readFileSync(report, 'utf8')).toContain('ROLLBACK REPORT');

  expect((await run(['verify', ...database, '--current-key-file', 'old.key'])).code).toBe(0);
  const { stdout: status } = await run(['status', ...database, '--json']);
  expect(
    JSON.parse(status).runs.map((each: { kind: string; state: string }) => [each.kind, each.state]),
  ).toEqual([
    ['rollback', 'verified'],
    ['rotation', 'superseded'],
  ]);
  const twice = await run(rollback);
  expect([twice.code, twice.stderr]).toEqual([2, expect.stringContaining('is a rollback and finished')]);
  const retired = await run(rotate);
  expect([retired.code, retired.stderr]).toEqual([
    2,
    expect.stringContaining('which an earlier run retired'),
  ]);
});

const { test: onMariadb } = needing('mariadb-server');

onMariadb('a finished rotation is rolled back on MariaDB', async () => {
  const world = await createMysqlDatabase();
  try {
    writeFileSync(
      join(folder, 'own.yaml'),
      `job: own
title: Own system
key: { trim: space, generate: { bytes: 24, as: base64 } }
canary: [{ table: vault, column: token, format: n8n, plaintext: utf8 }]
phases: [{ name: values, targets: [{ table: vault, fields: [{ column: token, format: n8n, plaintext: utf8 }] }] }]
`,
    );
    await world.exec('create table vault (id int primary key, token text)');
    for (let id = 0; id < 30; id++)
      await world.exec('insert into vault values (?)', [[id, sealLegacy(`secret number ${id}`, oldKey)]]);
    const on = ['--database', world.url, '--force', '--chunk-rows', '10', backup, ...keys];
    const rotated = await run(['rotate', '--job', 'own.yaml', ...on, '--iReallyWantToRotateMyMasterKey']);
    expect([rotated.code, rotated.stderr]).toEqual([0, expect.anything()]);
    const back = await run(['rollback', ...on, '--yes']);
    expect([back.code, back.stderr]).toEqual([0, expect.anything()]);
    const rows = (await world.exec('select * from vault')) as unknown as { id: number; token: string }[];
    expect(rows).toHaveLength(30);
    for (const { id, token } of rows)
      expect(openLegacy(token, oldKey).toString()).toBe(`secret number ${id}`);
  } finally {
    await world.close();
  }
});
