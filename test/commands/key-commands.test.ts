import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { type Ended, keyturn } from '../support/cli.ts';

const job = `job: own
title: Own
key: { form: hex, bytes: [32], generate: { bytes: 32, as: hex } }
canary: [{ table: t, column: v, format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } } }]
phases:
  - name: values
    targets:
      - table: t
        fields: [{ column: v, format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } } }]
`;

function seal(key: string, plain: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv);
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

function open(key: string, text: string): string {
  const bytes = Buffer.from(text, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
}

const oldKey = randomBytes(32).toString('hex');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-key-commands-'));
  writeFileSync(join(folder, 'job.yaml'), job);
  writeFileSync(join(folder, 'vault-old'), oldKey);
  const database = new Sqlite(join(folder, 'app.sqlite'));
  database.exec('create table t (id integer primary key, v text)');
  for (let id = 1; id <= 9; id++)
    database.prepare('insert into t values (?, ?)').run(id, seal(oldKey, `secret ${id}`));
  database.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

const current = ['--current-key-command', 'cat vault-old'];
const next = ['--new-key-command', 'cat vault-new'];
const store = ['--store-key-command', 'cat > vault-new'];
const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];
const run = (
  words: readonly string[],
  more: { killAt?: string; env?: Record<string, string> } = {},
): Promise<Ended> => keyturn([...words, '--database', 'sqlite:app.sqlite'], { cwd: folder, ...more });
const rotate = ['rotate', '--job', 'job.yaml', ...consent];

function plaintexts(key: string): string[] {
  const database = new Sqlite(join(folder, 'app.sqlite'), { readonly: true });
  try {
    return (database.prepare('select v from t order by id').all() as { v: string }[]).map(({ v }) =>
      open(key, v),
    );
  } finally {
    database.close();
  }
}
const expected = Array.from({ length: 9 }, (_, i) => `secret ${i + 1}`);

test('commands return, make and keep the keys of a run that is killed, resumed and rolled back', async () => {
  const killed = await run([...rotate, ...current, ...next, ...store, '--chunk-rows', '3'], {
    killAt: 'commit:1',
  });
  expect(killed.signal).toBe('SIGKILL');
  const newKey = readFileSync(join(folder, 'vault-new'), 'utf8');
  const resumed = await run(['resume', ...current, ...next]);
  expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
  expect(readFileSync(join(folder, 'vault-new'), 'utf8')).toBe(newKey);
  expect(plaintexts(newKey)).toEqual(expected);
  const verified = await run(['verify'], {
    env: { CREDENTIALS_DIRECTORY: credentials('keyturn-current-key', newKey) },
  });
  expect([verified.code, verified.stderr]).toEqual([0, expect.anything()]);
  const back = await run(['rollback', ...current, ...next, '--iHaveBackedUpMyDatabase', '--yes']);
  expect([back.code, back.stderr]).toEqual([0, expect.anything()]);
  expect(plaintexts(oldKey)).toEqual(expected);
  for (const { stdout, stderr } of [killed, resumed, verified, back])
    for (const key of [oldKey, newKey]) expect(stdout + stderr).not.toContain(key);
});

function credentials(name: string, text: string): string {
  writeFileSync(join(folder, name), text, { mode: 0o600 });
  return folder;
}

test.each([
  ['fails', 'cat vault-old >&2; exit 7', 'it ended with exit code 7'],
  ['prints nothing', 'true', 'it printed nothing'],
  ['prints no end of text', 'yes', 'it printed more than a key'],
])('a command that %s is told, and nothing is changed', async (_, command, message) => {
  const words = [...rotate, '--current-key-command', command, ...next, ...store];
  const { code, stderr } = await run(words);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(existsSync(join(folder, 'vault-new'))).toBe(false);
});

test.each([
  ['is not returned', ['--store-key-command', 'cat > elsewhere'], 'does not return the key that was stored'],
  [
    'takes the place of the current key',
    ['--store-key-command', 'tee vault-old > vault-new'],
    '--store-key-command has replaced the current key',
  ],
])('a new key that %s is refused before the first change', async (_, storing, message) => {
  writeFileSync(join(folder, 'vault-new'), randomBytes(32).toString('hex'));
  const { code, stderr } = await run([...rotate, ...current, ...next, ...storing]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  expect(plaintexts(oldKey)).toEqual(expected);
});

test('one command for both keys is refused', async () => {
  const { code, stderr } = await run([...rotate, ...current, '--new-key-command', 'cat vault-old', ...store]);
  expect([code, stderr]).toEqual([2, expect.stringContaining('the same command returns')]);
});
