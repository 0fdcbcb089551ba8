import { createCipheriv, createDecipheriv, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { type Ended, keyturn } from '../support/cli.ts';

/** Rails' ActiveRecord::Encryption, written here from its source: two keys and a salt. */
function railsSeal(secret: string, salt: string, plain: string, isDeterministic: boolean): string {
  const key = pbkdf2Sync(secret, salt, 65_536, 32, 'sha256');
  const iv = isDeterministic
    ? createHmac('sha256', key).update(plain).digest().subarray(0, 12)
    : randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const p = cipher.update(plain, 'utf8', 'base64') + cipher.final('base64');
  return JSON.stringify({ p, h: { iv: iv.toString('base64'), at: cipher.getAuthTag().toString('base64') } });
}

function railsOpen(secret: string, salt: string, text: string): string {
  const { p, h } = JSON.parse(text);
  const key = pbkdf2Sync(secret, salt, 65_536, 32, 'sha256');
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(h.iv, 'base64'));
  decipher.setAuthTag(Buffer.from(h.at, 'base64'));
  return decipher.update(p, 'base64', 'utf8') + decipher.final('utf8');
}

const job = `job: rails
title: Rails
key: { form: text, generate: { bytes: 16, as: hex } }
keys:
  deterministic: { form: text, generate: { bytes: 16, as: hex } }
  salt: { form: text, generate: { bytes: 16, as: hex }, stays: true }
canary: [{ table: users, column: otp, format: rails }]
phases:
  - name: values
    targets:
      - table: users
        fields:
          - { column: otp, format: rails }
          - { column: email, format: rails-deterministic, key: deterministic }
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-further-'));
  writeFileSync(join(folder, 'job.yaml'), job);
  const database = new Sqlite(join(folder, 'app.sqlite'));
  database.exec('create table users (id integer primary key, otp text, email text unique)');
  const insert = database.prepare('insert into users values (?, ?, ?)');
  for (let id = 1; id <= 12; id++)
    insert.run(
      id,
      railsSeal('primary', 'salt', `otp ${id}`, false),
      railsSeal('deterministic', 'salt', `user${id}@example.com`, true),
    );
  database.close();
  for (const name of ['primary', 'deterministic', 'salt'])
    writeFileSync(join(folder, name), name, { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true }));

const database = ['--database', 'sqlite:app.sqlite'];
const current = [
  ...['--current-key-file', 'primary', '--current-key-file', 'deterministic=deterministic'],
  ...['--current-key-file', 'salt=salt'],
];
const next = ['--new-key-file', 'primary.new', '--new-key-file', 'deterministic=deterministic.new'];
const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];
const run = (words: readonly string[], killAt?: string): Promise<Ended> =>
  keyturn([...words, ...database], { cwd: folder, ...(killAt !== undefined && { killAt }) });
const read = (name: string): string => readFileSync(join(folder, name), 'utf8').trim();

function rows(): { id: number; otp: string; email: string }[] {
  const opened = new Sqlite(join(folder, 'app.sqlite'), { readonly: true });
  try {
    return opened.prepare('select * from users order by id').all() as never;
  } finally {
    opened.close();
  }
}

function expectUnder(primary: string, deterministic: string): void {
  for (const { id, otp, email } of rows()) {
    expect(railsOpen(primary, 'salt', otp)).toBe(`otp ${id}`);
    expect(email).toBe(railsSeal(deterministic, 'salt', `user${id}@example.com`, true));
  }
}

test('two secrets and a salt: a run is killed, resumed, verified and rolled back', async () => {
  const rotate = ['rotate', '--job', 'job.yaml', ...current, ...next, ...consent, '--chunk-rows', '4'];
  expect((await run(rotate, 'commit:2')).signal).toBe('SIGKILL');
  const resumed = await run(['resume', ...current, ...next]);
  expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
  expectUnder(read('primary.new'), read('deterministic.new'));
  const after = [
    ...['--current-key-file', 'primary.new', '--current-key-file', 'deterministic=deterministic.new'],
    ...['--current-key-file', 'salt=salt'],
  ];
  const verified = await run(['verify', ...after]);
  expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('VERIFIED')]);
  const back = await run(['rollback', ...current, ...next, '--iHaveBackedUpMyDatabase', '--yes']);
  expect([back.code, back.stderr]).toEqual([0, expect.anything()]);
  expectUnder('primary', 'deterministic');
});

test('a secret that is missing, wrong or not to be replaced is refused by its name', async () => {
  const rotate = ['rotate', '--job', 'job.yaml', ...consent];
  const without = await run([...rotate, ...current.slice(0, 4), ...next]);
  expect([without.code, without.stderr]).toEqual([
    2,
    expect.stringContaining('the current key "salt" is missing'),
  ]);
  const noNew = await run([...rotate, ...current, ...next.slice(0, 2)]);
  expect(noNew.stderr).toContain('the new key "deterministic" is missing');
  const salt = await run([...rotate, ...current, ...next, '--new-key-file', 'salt=salt.new']);
  expect(salt.stderr).toContain('the key "salt" stays as it is');
  writeFileSync(join(folder, 'deterministic'), 'another', { mode: 0o600 });
  const wrong = await run([...rotate, ...current, ...next]);
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringContaining('12 of 12 sampled values of users.email cannot be decrypted with this key'),
  ]);
  expectUnder('primary', 'deterministic');
});

test('one of two secrets is replaced', async () => {
  const keep = ['--new-key-file', 'primary.new', '--new-key-file', 'deterministic=deterministic'];
  const rotated = await run(['rotate', '--job', 'job.yaml', ...current, ...keep, ...consent]);
  expect([rotated.code, rotated.stderr]).toEqual([0, expect.anything()]);
  expectUnder(read('primary.new'), 'deterministic');
});
