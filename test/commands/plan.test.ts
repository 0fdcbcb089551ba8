import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { openDatabase } from '../../src/databases/open.ts';
import { fernetCipher } from '../support/applications/ciphers.ts';
import { consent, type Folder, keyturn, n8nFolder, start } from './keyturn.ts';

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(() => folder.remove());

/** The codes that plan gives, and that of the first refusal of a rotation. */
async function told(...more: string[]): Promise<{ plan: string[]; rotate: string; exitCodes: unknown[] }> {
  const place = [
    '--job',
    'n8n',
    '--database',
    folder.url,
    '--current-key-file',
    'old.key',
    ...more,
    '--json',
  ];
  const planned = await keyturn(['plan', ...place], { cwd: folder.path });
  const rotated = await keyturn(['rotate', ...place, '--new-key-file', 'new.key', ...consent], {
    cwd: folder.path,
  });
  return {
    plan: JSON.parse(planned.stdout).refusals.map(({ code }: { code: string }) => code),
    rotate: JSON.parse(rotated.stdout).error.code,
    exitCodes: [planned.code, rotated.code],
  };
}

test('plan tells every reason for which a rotation would be refused', async () => {
  const shown = new Sqlite(folder.database);
  // Ciphertext in a place that the job does not know, and values of a column that the key does not decrypt
  shown.exec(`create table elsewhere (id integer primary key, v text);
    insert into elsewhere select null, data from credentials_entity where data <> '' limit 1`);
  shown.close();
  expect(await told('--report-dir', 'old.key/report')).toEqual({
    plan: ['undeclared-ciphertext', 'bad-option'],
    rotate: 'undeclared-ciphertext',
    exitCodes: [2, 2],
  });
});

test('plan tells that another process holds the run lock', async () => {
  const database = await openDatabase(folder.url);
  const lock = await database.lockRun();
  expect(await told()).toMatchObject({
    plan: ['run-lock', 'still-connected'],
    rotate: 'run-lock',
    exitCodes: [4, 4],
  });
  await lock.release();
  await database.close();
});

test('plan tells that a cancelled run has to be resumed', async () => {
  const all = ['rotate', ...folder.rotation, ...consent, '--throttle', 'file=old.key'];
  const run = start(all, { cwd: folder.path });
  run.child.stdin.end();
  await run.said(/waiting="file: old.key exists"/);
  await keyturn(['cancel', '--yes', '--database', folder.url], { cwd: folder.path });
  await run.ended;
  expect(await told()).toMatchObject({ plan: ['run-state'], rotate: 'run-state', exitCodes: [2, 2] });
});

test('plan tells each field that is wrong, however few of its rows have a value', async () => {
  const [current, other] = [randomBytes(32), randomBytes(32)];
  const [good, wrong] = [fernetCipher(current), fernetCipher(other)];
  writeFileSync(folder.file('fernet.key'), current.toString('base64url'), { mode: 0o600 });
  const path = folder.file('own.sqlite');
  const made = new Sqlite(path);
  made.exec('create table t (id integer primary key, a text, b text, c text)');
  const insert = made.prepare('insert into t values (?, ?, ?, ?)');
  for (let id = 0; id < 300; id++) {
    const rare = id >= 100 && id < 106;
    insert.run(id, good.seal(`a ${id}`), rare ? wrong.seal(`b ${id}`) : null, rare ? `plain ${id}` : null);
  }
  made.close();
  const fields = ['a', 'b', 'c'].map((column) => `{ column: ${column}, format: fernet, plaintext: utf8 }`);
  writeFileSync(
    folder.file('own.yaml'),
    `job: own
title: Own
key: { form: base64url, bytes: [32], generate: { bytes: 32, as: base64url } }
canary: [{ table: t, column: a, format: fernet }]
phases: [{ name: values, targets: [{ table: t, fields: [${fields}] }] }]
`,
  );
  const words = ['plan', '--job', 'own.yaml', '--database', `sqlite:${path}`, '--json'];
  const { code, stdout } = await keyturn([...words, '--current-key-file', 'fernet.key'], {
    cwd: folder.path,
  });
  expect(JSON.parse(stdout).refusals).toMatchObject([
    { code: 'wrong-current-key', message: expect.stringContaining('6 of 6 sampled values of t.b ') },
    { code: 'wrong-format', message: expect.stringContaining('6 of 6 sampled values of t.c ') },
  ]);
  expect(code).toBe(2);
});

test('a canary that is declared in a wrong way is named where another one opens', async () => {
  const key = randomBytes(32);
  writeFileSync(folder.file('fernet.key'), key.toString('base64url'), { mode: 0o600 });
  const path = folder.file('own.sqlite');
  const made = new Sqlite(path);
  made.exec('create table t (id integer primary key, a text, b text)');
  const fernet = fernetCipher(key);
  const insert = made.prepare('insert into t values (?, ?, ?)');
  for (let id = 0; id < 9; id++) insert.run(id, fernet.seal(`a ${id}`), randomBytes(60).toString('base64'));
  made.close();
  writeFileSync(
    folder.file('own.yaml'),
    `job: own
title: Own
key: { form: base64url, bytes: [32], generate: { bytes: 32, as: base64url } }
canary:
  - { table: t, column: b, format: { aes-gcm: { layout: [nonce 16, ciphertext, tag 16] } } }
  - { table: t, column: a, format: fernet }
phases: [{ name: values, targets: [{ table: t, fields: [{ column: a, format: fernet, plaintext: utf8 }] }] }]
`,
  );
  const words = ['plan', '--job', 'own.yaml', '--database', `sqlite:${path}`, '--json'];
  const { stdout } = await keyturn([...words, '--current-key-file', 'fernet.key'], { cwd: folder.path });
  expect(JSON.parse(stdout).error).toMatchObject({
    code: 'wrong-current-key',
    hint: expect.stringContaining('it decrypts t.a; correct the canary t.b in the job'),
  });
});
