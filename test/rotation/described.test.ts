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
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyturn } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { bytesFor } from '../support/random.ts';
import { createSqlite } from '../support/sqlite.ts';

/** Formats that a job describes, written here once more from their specifications, one value at a time. */
interface Scheme {
  readonly name: string;
  /** The lines `key:` and the format of the field. */
  readonly key: string;
  readonly format: string;
  readonly unique?: true;
  newKey(): string;
  seal(key: string, plain: string, row: number): string;
  open(key: string, text: string, row: number): string | null;
}

const appKey = (key: string): Buffer => Buffer.from(key.slice('base64:'.length), 'base64');

const laravel: Scheme = {
  name: 'Laravel',
  key: '{ form: text, generate: { bytes: 32, as: base64, prefix: "base64:" } }',
  format: 'laravel',
  newKey: () => `base64:${randomBytes(32).toString('base64')}`,
  seal(key, plain) {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', appKey(key), iv);
    const value = cipher.update(plain, 'utf8', 'base64') + cipher.final('base64');
    const mac = createHmac('sha256', appKey(key))
      .update(iv.toString('base64') + value)
      .digest('hex');
    return Buffer.from(JSON.stringify({ iv: iv.toString('base64'), value, mac, tag: '' })).toString('base64');
  },
  open(key, text) {
    const { iv, value, mac, tag } = JSON.parse(Buffer.from(text, 'base64').toString());
    const expected = createHmac('sha256', appKey(key))
      .update(iv + value)
      .digest('hex');
    if (mac !== expected || tag !== '') return null;
    const decipher = createDecipheriv('aes-256-cbc', appKey(key), Buffer.from(iv, 'base64'));
    return decipher.update(value, 'base64', 'utf8') + decipher.final('utf8');
  },
};

const railsKey = (key: string): Buffer => pbkdf2Sync(key, 'a salt', 1000, 32, 'sha256');
const rails: Scheme = {
  name: 'deterministic encryption of Rails, with a unique index',
  key: '{ form: text, generate: { bytes: 24, as: hex } }',
  format:
    '{ described: { json: { p: ciphertext base64, h.iv: iv 12 base64, h.at: tag 16 base64 }, cipher: aes-256-gcm, iv: { hmac: sha256 }, key: [utf8, { pbkdf2: { hash: sha256, salt: a salt, iterations: 1000, bytes: 32 } }] } }',
  unique: true,
  newKey: () => randomBytes(16).toString('hex'),
  seal(key, plain) {
    const iv = createHmac('sha256', railsKey(key)).update(plain).digest().subarray(0, 12);
    const cipher = createCipheriv('aes-256-gcm', railsKey(key), iv);
    const p = cipher.update(plain, 'utf8', 'base64') + cipher.final('base64');
    return JSON.stringify({
      p,
      h: { iv: iv.toString('base64'), at: cipher.getAuthTag().toString('base64') },
    });
  },
  open(key, text) {
    const { p, h } = JSON.parse(text);
    const decipher = createDecipheriv('aes-256-gcm', railsKey(key), Buffer.from(h.iv, 'base64'));
    decipher.setAuthTag(Buffer.from(h.at, 'base64'));
    try {
      const plain = decipher.update(p, 'base64', 'utf8') + decipher.final('utf8');
      return this.seal(key, plain, 0) === text ? plain : null;
    } catch {
      return null;
    }
  },
};

const fingerprint = (key: string): string => createHash('sha256').update(key).digest('hex').slice(0, 8);
const cloak: Scheme = {
  name: 'cloak, which names the key in each value',
  key: '{ form: text, generate: { bytes: 32, as: base64url, prefix: k1.aesgcm256. } }',
  format: 'cloak',
  newKey: () => `k1.aesgcm256.${randomBytes(32).toString('base64url')}=`,
  seal(key, plain) {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', Buffer.from(key.split('.')[2] ?? '', 'base64url'), iv);
    const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    const padded = (bytes: Buffer): string =>
      bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    return `v1.aesgcm256.${fingerprint(key)}.${padded(iv)}.${padded(sealed)}`;
  },
  open(key, text) {
    const [, , id, iv = '', sealed = ''] = text.split('.');
    if (id !== fingerprint(key)) return null;
    const bytes = Buffer.from(sealed, 'base64url');
    const secret = Buffer.from(key.split('.')[2] ?? '', 'base64url');
    const decipher = createDecipheriv('aes-256-gcm', secret, Buffer.from(iv, 'base64url'));
    decipher.setAuthTag(bytes.subarray(-16));
    return decipher.update(bytes.subarray(0, -16), undefined, 'utf8') + decipher.final('utf8');
  },
};

const tutorial: Scheme = {
  name: 'a hex IV and a hex ciphertext under the 32 characters of the key',
  key: '{ form: text, generate: { bytes: 16, as: hex } }',
  format: `{ described: { separated: { by: ":", parts: [iv 16 hex, ciphertext hex] }, cipher: aes-256-cbc, key: [latin1] } }`,
  newKey: () => bytesFor(16, 'the old key').toString('hex'),
  seal(key, plain) {
    const iv = bytesFor(16, key, plain);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    return `${iv.toString('hex')}:${cipher.update(plain, 'utf8', 'hex')}${cipher.final('hex')}`;
  },
  open(key, text) {
    const [iv = '', sealed = ''] = text.split(':');
    const decipher = createDecipheriv('aes-256-cbc', key, Buffer.from(iv, 'hex'));
    return decipher.update(sealed, 'hex', 'utf8') + decipher.final('utf8');
  },
};

const perRow: Scheme = {
  name: 'AES-GCM whose additional data is the row id',
  key: '{ form: hex, bytes: [32], generate: { bytes: 32, as: hex } }',
  format: '{ aes-gcm: { layout: [nonce 12, ciphertext, tag 16], aad: ["account:", { column: id }] } }',
  newKey: () => randomBytes(32).toString('hex'),
  seal(key, plain, row) {
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv).setAAD(
      Buffer.from(`account:${row}`),
    );
    return Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
      'base64',
    );
  },
  open(key, text, row) {
    const bytes = Buffer.from(text, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(`account:${row}`)).setAuthTag(bytes.subarray(-16));
    return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
  },
};

const awxPrefix = '$encrypted$UTF8$AESCBC$';
const awxKeys = (key: string, row: number): [Buffer, Buffer] => {
  const both = createHash('sha512').update(`${key}${row}secret`).digest();
  return [both.subarray(0, 32), both.subarray(32)];
};
const awx: Scheme = {
  name: 'AWX, whose keys depend on the row id and the name of the field',
  key: '{ form: text, generate: { bytes: 50, as: base64 } }',
  format: 'awx',
  newKey: () => randomBytes(50).toString('base64'),
  seal(key, plain, row) {
    const [mac, aes] = awxKeys(key, row);
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', aes, iv);
    const head = Buffer.concat([Buffer.from('800000000065a0b1c2', 'hex'), iv]);
    const body = Buffer.concat([head, cipher.update(plain, 'utf8'), cipher.final()]);
    const token = Buffer.concat([body, createHmac('sha256', mac).update(body).digest()]);
    const ascii = token.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    return awxPrefix + Buffer.from(ascii).toString('base64');
  },
  open(key, text, row) {
    const [mac, aes] = awxKeys(key, row);
    const ascii = Buffer.from(text.slice(awxPrefix.length), 'base64').toString();
    const token = Buffer.from(ascii, 'base64url');
    const body = token.subarray(0, -32);
    if (!createHmac('sha256', mac).update(body).digest().equals(token.subarray(-32))) return null;
    if (token.toString('hex', 0, 9) !== '800000000065a0b1c2') return null;
    const decipher = createDecipheriv('aes-256-cbc', aes, body.subarray(9, 25));
    return decipher.update(body.subarray(25), undefined, 'utf8') + decipher.final('utf8');
  },
};

const rowCount = 60;
const plainOf = (id: number): string => `secret ${id} äöü ${'x'.repeat(id % 23)}`;

describe.each([
  ['SQLite', createSqlite],
  ['PostgreSQL', createDatabase],
] as const)('on %s', (_, create) => {
  let folder: string;
  let world: TestDatabase;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keyturn-described-'));
    world = await create();
  });
  afterEach(async () => {
    await world.close();
    rmSync(folder, { recursive: true });
  });

  test.each([laravel, rails, cloak, tutorial, perRow, awx])(
    '$name is rotated, killed and resumed',
    async (scheme) => {
      const field = `{ column: secret, format: ${scheme.format}, plaintext: utf8 }`;
      writeFileSync(
        join(folder, 'job.yaml'),
        `job: own
title: Own
key: ${scheme.key}
canary: [${field.replace('{', '{ table: account,')}]
phases:
  - name: values
    targets: [{ table: account, fields: [${field}] }]
`,
      );
      const oldKey = scheme.newKey();
      writeFileSync(join(folder, 'old.key'), oldKey, { mode: 0o600 });
      await world.exec(
        `create table account (id integer primary key, secret text${scheme.unique === true ? ' unique' : ''})`,
      );
      for (let id = 1; id <= rowCount; id++)
        await world.exec(`insert into account values (${id}, '${scheme.seal(oldKey, plainOf(id), id)}')`);
      const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
      // This process has the SQLite file open
      const more = [...keys, '--database', world.url, '--report-dir', 'report', '--workers', '1', '--force'];
      const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];
      const killed = await keyturn(
        ['rotate', '--job', 'job.yaml', '--chunk-rows', '10', ...consent, ...more],
        {
          cwd: folder,
          killAt: 'commit:3',
        },
      );
      expect(killed.signal).toBe('SIGKILL');
      const resumed = await keyturn(['resume', ...more], { cwd: folder });
      expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
      const newKey = readFileSync(join(folder, 'new.key'), 'utf8').trim();
      const rows = await world.exec('select id, secret from account order by id');
      expect(rows.map(({ id, secret }) => scheme.open(newKey, String(secret), Number(id)))).toEqual(
        rows.map(({ id }) => plainOf(Number(id))),
      );
      expect(rows.length).toBe(rowCount);
    },
  );
});
