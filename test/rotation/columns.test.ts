import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyturn } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { createSqlite } from '../support/sqlite.ts';

/** As attr_encrypted has it: the ciphertext and its IV are in columns of their own. */
interface Sealed {
  readonly value: string;
  readonly iv: string;
}

const spelled = (bytes: Buffer): string => bytes.toString('base64').replace(/.{1,60}/g, '$&\n');

function seal(key: string, plain: string): Sealed {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv);
  const sealed = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { value: spelled(sealed), iv: spelled(iv) };
}

function open(key: string, { value, iv }: Sealed): string {
  const sealed = Buffer.from(value, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), Buffer.from(iv, 'base64'));
  decipher.setAuthTag(sealed.subarray(-16));
  return decipher.update(sealed.subarray(0, -16), undefined, 'utf8') + decipher.final('utf8');
}

const plainOf = (id: number): string => `secret ${id} äöü ${'x'.repeat(id % 61)}`;
const field = `column: value, with: [value_iv], format: { described: { columns: [ciphertext + tag 16 pack-m, iv 12 pack-m], cipher: aes-256-gcm } }`;
const job = `job: own
title: Own
key: { form: hex, bytes: [32], generate: { bytes: 32, as: hex } }
canary: [{ table: account, ${field} }]
phases:
  - name: values
    targets: [{ table: account, fields: [{ ${field} }] }]
`;

describe.each([
  ['SQLite', createSqlite],
  ['PostgreSQL', createDatabase],
] as const)('on %s', (_, create) => {
  let folder: string;
  let world: TestDatabase;
  const oldKey = randomBytes(32).toString('hex');
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keyturn-columns-'));
    world = await create();
    writeFileSync(join(folder, 'job.yaml'), job);
    writeFileSync(join(folder, 'old.key'), oldKey, { mode: 0o600 });
    await world.exec('create table account (id integer primary key, value text, value_iv varchar(17))');
    for (let id = 1; id <= 60; id++) {
      const { value, iv } = seal(oldKey, plainOf(id));
      await world.exec(`insert into account values (${id}, '${value}', '${iv}')`);
    }
  });
  afterEach(async () => {
    await world.close();
    rmSync(folder, { recursive: true });
  });

  const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
  // This process has the SQLite file open
  const run = (words: readonly string[], killAt?: string) =>
    keyturn([...words, ...keys, '--database', world.url, '--report-dir', 'report', '--force'], {
      cwd: folder,
      ...(killAt !== undefined && { killAt }),
    });
  const rotate = (words: readonly string[], killAt?: string) =>
    run(
      [
        'rotate',
        '--job',
        'job.yaml',
        '--iReallyWantToRotateMyMasterKey',
        '--iHaveBackedUpMyDatabase',
        ...words,
      ],
      killAt,
    );
  const newKey = (): string => readFileSync(join(folder, 'new.key'), 'utf8').trim();
  const rows = () => world.exec('select id, value, value_iv as iv from account order by id');

  test('values in two columns are rotated, killed and resumed', async () => {
    await world.exec(`insert into account values (61, '', null), (62, null, null)`);
    const killed = await rotate(['--chunk-rows', '10'], 'commit:3');
    expect(killed.signal).toBe('SIGKILL');
    const resumed = await run(['resume']);
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
    const found = await rows();
    expect(found.slice(60)).toEqual([
      { id: 61, value: '', iv: null },
      { id: 62, value: null, iv: null },
    ]);
    for (const row of found.slice(0, 60)) expect(open(newKey(), row as never)).toBe(plainOf(Number(row.id)));
    expect(found.length).toBe(62);
  });

  test('a value without its IV is an exception, and neither column is touched', async () => {
    await world.exec('update account set value_iv = null where id = 7');
    const [before] = await world.exec('select value from account where id = 7');
    const { code, stdout } = await rotate(['--on-exception', 'skip']);
    expect(code).toBe(3);
    expect(stdout).toContain('1 exceptions');
    const [after] = await world.exec('select value, value_iv as iv from account where id = 7');
    expect(after).toEqual({ ...before, iv: null });
    for (const row of (await rows()).filter(({ id }) => id !== 7))
      expect(open(newKey(), row as never)).toBe(plainOf(Number(row.id)));
  });
});
