import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  pbkdf2Sync,
  randomBytes,
} from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { keyturn } from '../support/cli.ts';

const prefix = '$encrypted$UTF8$AESCBC$';
const url64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');

/** AWX, written here from its source. @param row its primary key; null for surveys */
function awxKeys(secret: string, row: number | null, field: string): [Buffer, Buffer] {
  const both = createHash('sha512')
    .update(`${secret}${row ?? ''}${field}`)
    .digest();
  return [both.subarray(0, 32), both.subarray(32)];
}

function awxSeal(secret: string, row: number | null, field: string, plain: string): string {
  const [mac, aes] = awxKeys(secret, row, field);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', aes, iv);
  const head = Buffer.concat([Buffer.from('800000000065a0b1c2', 'hex'), iv]);
  const body = Buffer.concat([head, cipher.update(plain, 'utf8'), cipher.final()]);
  const token = Buffer.concat([body, createHmac('sha256', mac).update(body).digest()]);
  return prefix + Buffer.from(url64(token)).toString('base64');
}

function awxOpen(secret: string, row: number | null, field: string, text: string): string {
  const [mac, aes] = awxKeys(secret, row, field);
  const token = Buffer.from(Buffer.from(text.slice(prefix.length), 'base64').toString(), 'base64url');
  const body = token.subarray(0, -32);
  expect(createHmac('sha256', mac).update(body).digest()).toEqual(token.subarray(-32));
  const decipher = createDecipheriv('aes-256-cbc', aes, body.subarray(9, 25));
  return decipher.update(body.subarray(25), undefined, 'utf8') + decipher.final('utf8');
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-further-jobs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase', '--unproven-job'];

async function rotated(job: string, oldKey: string, more: readonly string[] = []): Promise<string> {
  writeFileSync(join(folder, 'old.key'), oldKey, { mode: 0o600 });
  const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key', ...more];
  const words = ['rotate', '--job', job, '--database', 'sqlite:app.sqlite', ...keys, ...consent];
  const { code, stderr } = await keyturn(words, { cwd: folder });
  expect([code, stderr]).toEqual([0, expect.anything()]);
  return readFileSync(join(folder, 'new.key'), 'utf8').trim();
}

test('awx: keys of the row id and of the name of a member, and surveys without a row id', async () => {
  const secret = randomBytes(50).toString('base64');
  const database = new Sqlite(join(folder, 'app.sqlite'));
  database.exec(`create table main_credential (id integer primary key, inputs text);
    create table main_unifiedjob (id integer primary key, start_args text);
    create table conf_setting (id integer primary key, value text);
    create table main_jobtemplate (unifiedjobtemplate_ptr_id integer primary key, survey_spec text)`);
  for (let id = 1; id <= 8; id++) {
    const inputs = {
      username: 'admin',
      password: awxSeal(secret, id, 'password', `pw ${id}`),
      ssh_key_data: awxSeal(secret, id, 'ssh_key_data', `key ${id}`),
    };
    database.prepare('insert into main_credential values (?, ?)').run(id, JSON.stringify(inputs));
    database
      .prepare('insert into main_unifiedjob values (?, ?)')
      .run(id, id % 2 === 0 ? '' : awxSeal(secret, id, 'start_args', `{"a": ${id}}`));
    database
      .prepare('insert into conf_setting values (?, ?)')
      .run(id, id === 1 ? 'true' : JSON.stringify(awxSeal(secret, id, 'value', `setting ${id}`)));
    const survey = { spec: [{ default: awxSeal(secret, null, 'value', `answer ${id}`), type: 'password' }] };
    database.prepare('insert into main_jobtemplate values (?, ?)').run(id, JSON.stringify(survey));
  }
  database.close();

  const fresh = await rotated('awx', secret);

  const after = new Sqlite(join(folder, 'app.sqlite'), { readonly: true });
  const rows = (table: string): { id: number; value: string }[] =>
    (after.prepare(`select * from ${table}`).raw().all() as [number, string][]).map(([id, value]) => ({
      id,
      value,
    }));
  for (const { id, value } of rows('main_credential')) {
    const { username, password, ssh_key_data } = JSON.parse(value);
    expect(username).toBe('admin');
    expect(awxOpen(fresh, id, 'password', password)).toBe(`pw ${id}`);
    expect(awxOpen(fresh, id, 'ssh_key_data', ssh_key_data)).toBe(`key ${id}`);
  }
  for (const { id, value } of rows('main_unifiedjob'))
    if (id % 2 === 1) expect(awxOpen(fresh, id, 'start_args', value)).toBe(`{"a": ${id}}`);
  for (const { id, value } of rows('conf_setting'))
    if (id > 1) expect(awxOpen(fresh, id, 'value', JSON.parse(value))).toBe(`setting ${id}`);
  for (const { id, value } of rows('main_jobtemplate'))
    expect(awxOpen(fresh, null, 'value', JSON.parse(value).spec[0].default)).toBe(`answer ${id}`);
  after.close();
});

function railsKey(secret: string): Buffer {
  return pbkdf2Sync(secret, 'the salt', 65_536, 32, 'sha256');
}

test('mastodon: a primary key, and a salt that stays', async () => {
  const secret = randomBytes(16).toString('hex');
  const database = new Sqlite(join(folder, 'app.sqlite'));
  database.exec(`create table users (id integer primary key, otp_secret text);
    create table accounts (id integer primary key); create table statuses (id integer primary key)`);
  const seal = (plain: string): string => {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', railsKey(secret), iv);
    const p = cipher.update(plain, 'utf8', 'base64') + cipher.final('base64');
    return JSON.stringify({
      p,
      h: { iv: iv.toString('base64'), at: cipher.getAuthTag().toString('base64') },
    });
  };
  for (let id = 1; id <= 8; id++)
    database.prepare('insert into users values (?, ?)').run(id, id === 3 ? null : seal(`otp ${id}`));
  database.close();
  writeFileSync(join(folder, 'salt'), 'the salt', { mode: 0o600 });

  const fresh = await rotated('mastodon', secret, ['--current-key-file', 'salt=salt']);

  const after = new Sqlite(join(folder, 'app.sqlite'), { readonly: true });
  for (const [id, text] of after.prepare('select * from users').raw().all() as [number, string | null][]) {
    if (text === null) continue;
    const { p, h } = JSON.parse(text);
    const decipher = createDecipheriv('aes-256-gcm', railsKey(fresh), Buffer.from(h.iv, 'base64'));
    decipher.setAuthTag(Buffer.from(h.at, 'base64'));
    expect(decipher.update(p, 'base64', 'utf8') + decipher.final('utf8')).toBe(`otp ${id}`);
  }
  after.close();
});
