import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyturn } from '../support/cli.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { openFernet, sealFernet } from '../support/sealed.ts';
import { createSqlite } from '../support/sqlite.ts';

const oldKey = randomBytes(32);
const newKey = randomBytes(32);

const job = `job: own
title: Own
key: { form: hex, bytes: [32], generate: { bytes: 32, as: hex } }
canary: [{ table: apps, column: env, format: fernet }]
phases:
  - name: values
    targets:
      - table: apps
        fields:
          - { column: env, format: fernet, plaintext: utf8, set: { column: label, was: key_0, to: 'key_{keyId}' } }
          - { column: note, format: fernet, plaintext: utf8, set: { column: label, was: key_0, to: 'key_{keyId}' } }
          - { column: token, format: fernet, plaintext: utf8, set: { column: version, was: '1', to: '2' } }
`;

describe.each([
  ['SQLite', createSqlite],
  ['PostgreSQL', createDatabase],
] as const)('the column that names the key of a row on %s', (_, create) => {
  let folder: string;
  let world: TestDatabase;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keyturn-labels-'));
    writeFileSync(join(folder, 'job.yaml'), job);
    writeFileSync(join(folder, 'old.key'), oldKey.toString('hex'), { mode: 0o600 });
    writeFileSync(join(folder, 'new.key'), newKey.toString('hex'), { mode: 0o600 });
    world = await create();
    await world.exec(
      'create table apps (id integer primary key, env text, note text, label text, token text, version integer)',
    );
    for (let id = 0; id < 30; id++) await insert(id, sealFernet(oldKey, `env ${id}`), null, 'key_0');
  });
  afterEach(async () => {
    await world.close();
    rmSync(folder, { recursive: true });
  });

  async function insert(id: number, env: string | null, note: string | null, label: string): Promise<void> {
    const text = (value: string | null) => (value === null ? 'null' : `'${value}'`);
    const token = sealFernet(oldKey, `token ${id}`);
    await world.exec(
      `insert into apps values (${id}, ${text(env)}, ${text(note)}, ${text(label)}, '${token}', 1)`,
    );
  }

  /** Each row: which key opens its values, and what its label columns contain. */
  async function labels(): Promise<
    Map<number, { env: string; label: string; token: string; version: number }>
  > {
    const rows = await world.exec('select * from apps order by id');
    const under = (token: unknown): string => {
      if (token === null) return 'none';
      if (openFernet(oldKey, String(token)) !== null) return 'old';
      return openFernet(newKey, String(token)) === null ? 'neither' : 'new';
    };
    return new Map(
      rows.map(({ id, env, label, token, version }) => [
        Number(id),
        { env: under(env), label: String(label), token: under(token), version: Number(version) },
      ]),
    );
  }

  const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
  // This process has the SQLite file open
  const force = ['--workers', '1', '--force'];
  const run = (args: string[], killAt?: string) =>
    keyturn([...args, '--database', world.url, '--report-dir', 'report'], {
      cwd: folder,
      ...(killAt !== undefined && { killAt }),
    });
  const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase', ...force];
  const rotation = ['rotate', '--job', 'job.yaml', ...keys, ...consent, '--chunk-rows', '5'];
  const verify = () => run(['verify', '--current-key-file', 'new.key']);

  test('is set together with the values, also when the run is killed in the middle', async () => {
    await insert(40, null, null, 'key_0');
    expect((await run(rotation, 'commit:3')).signal).toBe('SIGKILL');
    const halfway = [...(await labels()).values()].filter(({ env }) => env !== 'none');
    expect(new Set(halfway.map(({ env, label }) => `${env} ${label === 'key_0'}`))).toEqual(
      new Set(['old true', 'new false']),
    );
    const resumed = await run(['resume', ...keys, ...force]);
    expect([resumed.code, resumed.stderr]).toEqual([0, expect.anything()]);
    const id = /new key: +([0-9a-f]{16})/.exec(resumed.stdout)?.[1];
    const after = await labels();
    // Nothing is encrypted in the row that has no value
    expect(after.get(40)).toEqual({ env: 'none', label: 'key_0', token: 'new', version: 2 });
    after.delete(40);
    for (const row of after.values())
      expect(row).toEqual({ env: 'new', label: `key_${id}`, token: 'new', version: 2 });
    expect((await verify()).code).toBe(0);
    await world.exec('update apps set version = 1 where id = 7');
    const again = await verify();
    expect(again.code).toBe(5);
    expect(again.stdout + again.stderr).toContain('apps row 7, token: other-label');
    await world.exec('update apps set version = 2 where id = 7');
    const back = ['rollback', ...keys, '--iHaveBackedUpMyDatabase', '--yes', ...force];
    expect((await run(back, 'commit:1')).signal).toBe('SIGKILL');
    const undone = await run(back);
    expect([undone.code, undone.stderr]).toEqual([0, expect.anything()]);
    const before = await labels();
    expect(before.get(40)).toEqual({ env: 'none', label: 'key_0', token: 'old', version: 1 });
    before.delete(40);
    for (const row of before.values())
      expect(row).toEqual({ env: 'old', label: 'key_0', token: 'old', version: 1 });
  });

  test('stops the run where it names another key, or where one of its values stays', async () => {
    await insert(40, sealFernet(oldKey, 'other'), null, 'key_9');
    await insert(41, sealFernet(oldKey, 'whole'), sealFernet(randomBytes(32), 'lost'), 'key_0');
    expect((await run([...rotation, '--on-exception', 'skip'])).code).toBe(3);
    const held = await labels();
    expect(held.get(40)).toEqual({ env: 'old', label: 'key_9', token: 'new', version: 2 });
    expect(held.get(41)).toEqual({ env: 'old', label: 'key_0', token: 'new', version: 2 });
    const { stdout } = await keyturn(['exceptions', 'list', '--database', world.url], { cwd: folder });
    expect(stdout).toContain('other-label');
    expect(stdout).toContain('held-back');
    await world.exec("update apps set label = 'key_0' where id = 40");
    await world.exec('update apps set note = null where id = 41');
    const retried = await run(['exceptions', 'retry', ...keys, ...force]);
    expect([retried.code, retried.stderr]).toEqual([0, expect.anything()]);
    const after = await labels();
    for (const id of [40, 41]) {
      expect(after.get(id)?.env).toBe('new');
      expect(after.get(id)?.label).toMatch(/^key_[0-9a-f]{16}$/);
    }
  });
});
