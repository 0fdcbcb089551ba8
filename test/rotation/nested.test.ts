import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Ended, keyturn } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { openFernet, openGcm, sealFernet, sealGcm } from '../support/sealed.ts';
import { createSqlite } from '../support/sqlite.ts';

const oldKey = randomBytes(32);
const newKey = randomBytes(32);
const gcm = '{ aes-gcm: { layout: [nonce 12, ciphertext, tag 16] } }';

const job = `job: own
title: Own
key: { form: hex, bytes: [32], generate: { bytes: 32, as: hex } }
canary: [{ table: account, column: token, format: fernet }]
phases:
  - name: values
    targets:
      - table: account
        fields:
          - { column: token, format: fernet, plaintext: utf8 }
          - { column: pin, format: ${gcm}, plaintext: utf8 }
`;

const fernet = (key: Buffer) => (plain: string) => sealFernet(key, plain);
const aes = (key: Buffer) => (plain: string) => sealGcm(key, plain, undefined, '');
const openAes = (key: Buffer, text: string) => openGcm(key, text, '');

describe.each([
  ['SQLite', createSqlite],
  ['PostgreSQL', createDatabase],
] as const)('values that are encrypted twice on %s', (_, create) => {
  let folder: string;
  let world: TestDatabase;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keyturn-nested-'));
    writeFileSync(join(folder, 'job.yaml'), job);
    writeFileSync(join(folder, 'old.key'), oldKey.toString('hex'), { mode: 0o600 });
    writeFileSync(join(folder, 'new.key'), newKey.toString('hex'), { mode: 0o600 });
    world = await create();
    await world.exec('create table account (id integer primary key, token text, pin text)');
    for (let id = 0; id < 12; id++)
      await insert(id, fernet(oldKey)(`token ${id}`), aes(oldKey)(`a pin with a blank ${id}`));
  });
  afterEach(async () => {
    await world.close();
    rmSync(folder, { recursive: true });
  });

  async function insert(id: number, token: string, pin: string): Promise<void> {
    await world.exec(`insert into account values (${id}, '${token}', '${pin}')`);
  }

  async function row(id: number): Promise<{ token: string; pin: string }> {
    const [found] = await world.exec(`select token, pin from account where id = ${id}`);
    return { token: String(found?.token), pin: String(found?.pin) };
  }

  const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
  // This process has the SQLite file open
  const force = ['--workers', '1', '--force'];
  const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase', ...force];
  const run = (...args: string[]): Promise<Ended> =>
    keyturn([...args, '--database', world.url, '--report-dir', 'report'], { cwd: folder });
  const rotate = (...more: string[]) => run('rotate', '--job', 'job.yaml', ...keys, ...consent, ...more);
  const verify = () => run('verify', '--current-key-file', 'new.key');
  const report = () => JSON.parse(readFileSync(join(folder, 'report', 'report.json'), 'utf8'));

  /** One value in each order of the formats, and one whose outer layer uses the new key already. */
  async function nest(): Promise<void> {
    await insert(50, fernet(oldKey)(aes(oldKey)('twice')), aes(oldKey)(fernet(oldKey)('twice, too')));
    await insert(51, fernet(newKey)(fernet(oldKey)('half')), aes(oldKey)('a pin'));
  }

  test('stop the run, and both layers are rotated as soon as the operator says so', async () => {
    await nest();
    const before = await row(50);
    const plan = await keyturn(
      ['plan', '--job', 'job.yaml', '--database', world.url, '--current-key-file', 'old.key'],
      { cwd: folder },
    );
    expect(plan.stderr).toMatch(/1 of 14 sampled values of account.pin are encrypted twice: --nested rotate/);
    const stopped = await rotate();
    expect(stopped.code).toBe(3);
    expect(stopped.stderr).toContain('account row 50, token: nested');
    expect(stopped.stderr).toContain('account row 51, token: nested');
    expect(await row(50)).toEqual(before);
    const resumed = await run('resume', ...keys, '--nested', 'rotate', ...force);
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
    const { token, pin } = await row(50);
    expect(openAes(newKey, openFernet(newKey, token) ?? '')).toBe('twice');
    expect(openFernet(newKey, openAes(newKey, pin) ?? '')).toBe('twice, too');
    expect(openFernet(newKey, openFernet(newKey, (await row(51)).token) ?? '')).toBe('half');
    expect(report().totals.sweeps.tally.nested).toBe(3);
    expect(resumed.stdout).toMatch(
      /^again: {4}\d rows? retried or written during the run, \d values? rotated, 0 exceptions$/m,
    );
    expect((await verify()).code).toBe(0);
  });

  test('lose one layer with --nested unwrap, of three the second', async () => {
    await nest();
    await insert(52, fernet(oldKey)(aes(oldKey)(fernet(oldKey)('thrice'))), aes(oldKey)('a pin'));
    const rotated = await rotate('--nested', 'unwrap');
    expect([rotated.code, rotated.stderr]).toEqual([0, expect.anything()]);
    const { token, pin } = await row(50);
    expect(openFernet(newKey, token)).toBe('twice');
    expect(openAes(newKey, pin)).toBe('twice, too');
    expect(openFernet(newKey, (await row(51)).token)).toBe('half');
    expect(openFernet(newKey, openFernet(newKey, (await row(52)).token) ?? '')).toBe('thrice');
    expect(report().totals.ranges.tally.nested).toBe(4);
    expect(readFileSync(join(folder, 'report', 'report.txt'), 'utf8')).toMatch(/4 of them encrypted twice/);
    expect((await verify()).code).toBe(0);
  });

  test('that were skipped can be retried with a decision', async () => {
    await nest();
    expect((await rotate('--on-exception', 'skip')).code).toBe(3);
    const retried = await run('exceptions', 'retry', ...keys, '--nested', 'rotate', ...force);
    expect([retried.code, retried.stderr]).toEqual([0, expect.anything()]);
    expect(openAes(newKey, openFernet(newKey, (await row(50)).token) ?? '')).toBe('twice');
    expect((await verify()).code).toBe(0);
  });
});
