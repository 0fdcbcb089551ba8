import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Ended, keyturn } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { bytesFor } from '../support/random.ts';
import { createSqlite } from '../support/sqlite.ts';

const secretOf = (key: string): Buffer => createHash('sha256').update(key).digest();

/** A hand-made layout, as tutorials have it. */
const cbc = {
  seal(key: string, plain: string): string {
    const iv = bytesFor(16, key, plain);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    return `${iv.toString('hex')}:${cipher.update(plain, 'utf8', 'hex')}${cipher.final('hex')}`;
  },
  open(key: string, text: string): string {
    const [iv = '', sealed = ''] = text.split(':');
    const decipher = createDecipheriv('aes-256-cbc', key, Buffer.from(iv, 'hex'));
    return decipher.update(sealed, 'hex', 'utf8') + decipher.final('utf8');
  },
};

const gcm = {
  open(key: string, text: string): string {
    expect(text).toMatch(/^enc:/);
    const bytes = Buffer.from(text.slice(4), 'base64');
    const decipher = createDecipheriv('aes-256-gcm', secretOf(key), bytes.subarray(0, 12));
    decipher.setAuthTag(bytes.subarray(-16));
    return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
  },
};

const job = (): string => `job: own
title: Own
key: { form: text, generate: { bytes: 16, as: hex } }
canary: [{ table: account, column: secret, format: hex-iv-cbc, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: account
        fields:
          - column: secret
            format: hex-iv-cbc
            plaintext: utf8
            becomes:
              format: { aes-gcm: { layout: [nonce 12, ciphertext, tag 16], prefix: "enc:", key: sha256 } }
`;

const rowCount = 40;
const plainOf = (id: number): string => `secret ${id} ${'x'.repeat(id % 23)}`;
const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];

let folder: string;
let world: TestDatabase;
let oldKey: string;

async function begin(create: () => Promise<TestDatabase>): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-changed-'));
  world = await create();
  oldKey = bytesFor(16, 'the old key').toString('hex');
  writeFileSync(join(folder, 'job.yaml'), job());
  writeFileSync(join(folder, 'old.key'), oldKey, { mode: 0o600 });
  await world.exec(`create table account (id integer primary key, secret text)`);
  for (let id = 1; id <= rowCount; id++)
    await world.exec(`insert into account values (${id}, '${cbc.seal(oldKey, plainOf(id))}')`);
}
afterEach(async () => {
  await world.close();
  rmSync(folder, { recursive: true });
});

const run = (words: readonly string[], killAt?: string): Promise<Ended> =>
  keyturn([...words, '--database', world.url, '--force'], {
    cwd: folder,
    ...(killAt !== undefined && { killAt }),
  });

async function expectAll(open: (key: string, text: string) => string, key: string): Promise<void> {
  const rows = await world.exec('select id, secret from account order by id');
  expect(rows.map(({ secret }) => open(key, String(secret)))).toEqual(
    rows.map(({ id }) => plainOf(Number(id))),
  );
  expect(rows).toHaveLength(rowCount);
}

describe.each([
  ['SQLite', createSqlite],
  ['PostgreSQL', createDatabase],
] as const)('on %s', (_, create) => {
  beforeEach(() => begin(create));
  const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];

  test('CBC becomes GCM: killed, resumed, verified, and rolled back', async () => {
    const killed = await run(
      ['rotate', '--job', 'job.yaml', '--chunk-rows', '10', ...consent, ...keys],
      'commit:3',
    );
    expect(killed.signal).toBe('SIGKILL');
    const resumed = await run(['resume', ...keys]);
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
    const newKey = readFileSync(join(folder, 'new.key'), 'utf8').trim();
    await expectAll(gcm.open, newKey);
    const verified = await keyturn(['verify', '--database', world.url, '--current-key-file', 'new.key'], {
      cwd: folder,
    });
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('VERIFIED')]);
    const back = await run(['rollback', ...keys, '--iHaveBackedUpMyDatabase', '--yes']);
    expect([back.code, back.stderr]).toEqual([0, expect.anything()]);
    await expectAll(cbc.open, oldKey);
  });
});

describe('with the same key', () => {
  beforeEach(() => begin(createSqlite));
  const same = ['--current-key-file', 'old.key', '--new-key-file', 'old.key'];

  test('values get the new format, and a second run finds nothing to do', async () => {
    const killed = await run(
      ['rotate', '--job', 'job.yaml', '--chunk-rows', '10', ...consent, ...same],
      'commit:3',
    );
    expect(killed.signal).toBe('SIGKILL');
    const resumed = await run(['resume', ...same]);
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
    await expectAll(gcm.open, oldKey);
    const before = await world.exec('select secret from account order by id');
    const again = await run(['rotate', '--job', 'job.yaml', ...consent, ...same]);
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('40 already current')]);
    expect(await world.exec('select secret from account order by id')).toEqual(before);
  });

  test('is refused without a change of format', async () => {
    writeFileSync(join(folder, 'job.yaml'), job().replace(/\n *becomes:\n.*/, ''));
    const refused = await run(['rotate', '--job', 'job.yaml', ...consent, ...same]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('the new key is the current key'),
    ]);
  });
});

describe('a column that is too narrow for the new format', () => {
  beforeEach(() => begin(createDatabase));

  test('is refused before the first change', async () => {
    await world.exec('alter table account alter column secret type varchar(129)');
    const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
    writeFileSync(
      join(folder, 'job.yaml'),
      job().replace('layout: [nonce 12', 'encoding: hex, layout: [nonce 12'),
    );
    const refused = await run(['rotate', '--job', 'job.yaml', ...consent, ...keys]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('account.secret is limited to 129 characters'),
    ]);
    await expect(world.exec('select count(*) as n from keyturn_run')).rejects.toThrow();
  });
});
