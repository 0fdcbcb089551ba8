import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect } from '@jest/globals';
import mysql2 from 'mysql2/promise';
import { openDatabase } from '../../src/databases/open.ts';
import { keyturn } from '../support/cli.ts';
import { createMysqlDatabase, driverUrl } from '../support/mariadb.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { needing } from '../support/needing.ts';
import { openText, sealText } from '../support/octopus/sealing.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { Random } from '../support/random.ts';
import { Stage } from './stage.ts';

const { describe, test } = needing('mariadb-server');

const oldKey = 'the key before it';
const newKey = 'the key after it';

const job = `job: own
title: Own system
key: { trim: space, generate: { bytes: 24, as: base64 } }
requires: [vault]
canary: [{ table: vault, column: token, format: n8n, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: vault
        fields:
          - { column: token, format: n8n, plaintext: utf8 }
          - { column: sealed, format: n8n, plaintext: utf8 }
          - { column: settings, document: { json: any }, format: n8n, foreign: leave, closed: look-alike }
`;

let dir: string;
let world: TestDatabase;
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-mysql-'));
  writeFileSync(join(dir, 'own.yaml'), job);
  writeFileSync(join(dir, 'old.key'), oldKey, { mode: 0o600 });
  writeFileSync(join(dir, 'new.key'), newKey, { mode: 0o600 });
  world = await createMysqlDatabase();
  await world.exec(`create table vault (tenant varchar(20) collate utf8mb4_unicode_ci not null, at timestamp(6) not null,
    number bigint unsigned not null, hash binary(4) not null, token text not null, sealed longblob, settings json,
    note varchar(40), updated_at timestamp not null default '2020-01-01 00:00:00' on update current_timestamp,
    primary key (tenant, at, number, hash))`);
});
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
  await world.close();
  rmSync(dir, { recursive: true, force: true });
});

const plainOf = (note: string, column: string): string => `secret of ${note} in ${column} ✓`;

/** Notes name the rows, since nothing rewrites them. */
async function fill(rows: number, filler = ''): Promise<void> {
  for (let i = 0; i < rows; i++) {
    const sealed = (column: string): string => sealLegacy(plainOf(`row ${i}`, column), oldKey);
    const settings = `{ "big": 12345678901234567890, "any": ["x", "${sealed('settings').replaceAll('/', '\\/')}"], "filler": "${filler}" }`;
    await world.exec(
      'insert into vault (tenant, at, number, hash, token, sealed, settings, note) values (?)',
      [
        [
          ['Ä', 'a b', 'z', '_'][i % 4],
          `2024-01-01 00:00:00.${String(i % 7).padStart(6, '0')}`,
          String(2n ** 64n - BigInt(1 + (i % 11))),
          Buffer.from([i % 256, i >> 8, 255, 0x5c]),
          sealed('token'),
          i % 3 === 0 ? null : Buffer.from(sealed('sealed')),
          settings,
          `row ${i}`,
        ],
      ],
    );
  }
}

interface Stored {
  readonly note: string;
  readonly token: string;
  readonly sealed: Buffer | null;
  readonly settings: string;
  readonly updated_at: unknown;
}

/** Every secret as it was, under the new key; everything else untouched. */
async function expectRotated(rows: number, filler = ''): Promise<void> {
  const found = (await world.exec('select * from vault')) as unknown as Stored[];
  expect(found).toHaveLength(rows);
  for (const { note, token, sealed, settings, updated_at } of found) {
    expect(openLegacy(token, newKey).toString()).toBe(plainOf(note, 'token'));
    if (sealed !== null)
      expect(openLegacy(sealed.toString(), newKey).toString()).toBe(plainOf(note, 'sealed'));
    const [, inside = ''] =
      /^\{ "big": 12345678901234567890, "any": \["x", "([^"]*)"\], "filler": "/.exec(settings) ?? [];
    expect(openLegacy(inside.replaceAll('\\/', '/'), newKey).toString()).toBe(plainOf(note, 'settings'));
    expect(settings.endsWith(`"filler": "${filler}" }`)).toBe(true);
    expect(String(updated_at)).toContain('2020');
  }
}

const keys = ['--current-key-file', 'old.key', '--new-key-file', 'new.key'];
const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];
const rotateWords = (chunkRows = '20'): string[] => [
  ...['rotate', '--job', 'own.yaml', '--database', world.url, ...keys, ...consent],
  ...['--chunk-rows', chunkRows, '--workers', '2', '--report-dir', 'report'],
];

describe('a job on MariaDB', () => {
  test('is planned, rotated by two worker threads, reported, verified again and forgotten by the command line', async () => {
    await fill(200);
    const plan = await keyturn(
      [
        'plan',
        '--job',
        'own.yaml',
        '--database',
        world.url,
        '--current-key-file',
        'old.key',
        '--sample-writes',
      ],
      { cwd: dir },
    );
    expect({ code: plan.code, stderr: plan.stderr }).toEqual({
      code: 0,
      stderr: expect.not.stringContaining('keyturn: error'),
    });
    const rotated = await keyturn(rotateWords(), { cwd: dir });
    expect({ code: rotated.code, stderr: rotated.stderr }).toEqual({
      code: 0,
      stderr: expect.not.stringContaining('keyturn: error'),
    });
    expect(rotated.stdout).toMatch(/^VERIFIED: /);
    await expectRotated(200);

    const status = await keyturn(['status', '--database', world.url, '--json'], { cwd: dir });
    expect(JSON.parse(status.stdout).report).toMatchObject({
      run: { state: 'verified' },
      totals: { ranges: { tally: { rows: 200, exceptions: 0 } } },
    });
    const verified = await keyturn(
      ['verify', '--job', 'own.yaml', '--database', world.url, '--current-key-file', 'new.key'],
      { cwd: dir },
    );
    expect({ code: verified.code, stderr: verified.stderr }).toEqual({
      code: 0,
      stderr: expect.not.stringContaining('keyturn: error'),
    });
    const report = readFileSync(join(dir, 'report', 'report.txt'), 'utf8');
    expect(report.replace(/\s+/g, ' ')).toContain('The binary log');
    for (const said of [plan, rotated, status, verified])
      expect(said.stdout + said.stderr).not.toMatch(/keyturn-test|U2FsdGVkX1|secret of/);

    const forgotten = await keyturn(['forget', '--database', world.url, '--yes'], { cwd: dir });
    expect({ code: forgotten.code, stderr: forgotten.stderr }).toEqual({
      code: 0,
      stderr: expect.any(String),
    });
    expect(await world.exec(`show tables like 'keyturn%'`)).toEqual([]);
  });

  test('is refused if one gzip would not fit into its column, unless --upgradeDatabase widens it; values of constant length fit exactly', async () => {
    const [from, to] = [Buffer.alloc(16, 1), Buffer.alloc(32, 2)];
    writeFileSync(join(dir, 'old.key'), from.toString('base64'), { mode: 0o600 });
    writeFileSync(join(dir, 'new.key'), to.toString('base64'), { mode: 0o600 });
    writeFileSync(
      join(dir, 'own.yaml'),
      `job: own
title: Own system
key: { form: base64, bytes: [16, 32], generate: { bytes: 32, as: base64 } }
canary: [{ table: parcel, column: secret, format: octopus, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: parcel
        fields:
          - { column: secret, format: octopus, plaintext: utf8 }
          - { column: packed, document: gzip, format: octopus, plaintext: utf8, foreign: leave }
`,
    );
    const secret = sealText(Buffer.from('a secret'), from);
    const pack = (secrets: readonly string[]) => gzipSync(JSON.stringify(secrets));
    const last = pack(Array(8).fill(secret));
    const columns = `secret varchar(${secret.length}) not null, packed varbinary(160) not null default 0x00 comment 'a, b'`;
    await world.exec(`create table parcel (id int primary key, ${columns})`);
    await world.exec('insert into parcel select seq, ?, ? from seq_1_to_4999', [secret, pack([secret])]);
    await world.exec('insert into parcel values (5000, ?, ?)', [secret, last]);
    const before = await world.exec('checksum table parcel');

    const refused = await keyturn(rotateWords(), { cwd: dir });
    expect({ code: refused.code, stderr: refused.stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^keyturn: error: parcel\.packed is limited to 160 bytes, and the new ciphertext needs \d{3}$/m,
      ),
    });
    expect(await world.exec('checksum table parcel')).toEqual(before);
    expect(await world.exec(`show tables like 'keyturn%'`)).toEqual([]);
    const { length } = last;
    const plan = await keyturn(['plan', '--job', 'own.yaml', '--database', world.url], { cwd: dir });
    expect(plan.stdout).toMatch(
      RegExp(
        `packed holds 160 bytes, the longest value has ${length}, the longest new value has at most \\d{3}$`,
        'm',
      ),
    );

    const rotated = await keyturn([...rotateWords('2500'), '--upgradeDatabase'], {
      cwd: dir,
    });
    expect({ code: rotated.code, stderr: rotated.stderr }).toEqual({
      code: 0,
      stderr: expect.stringMatching(/^parcel\.packed was widened from 160 to \d{3}$/m),
    });
    expect(rotated.stderr.match(/widened/g)).toHaveLength(1);
    const [row] = await world.exec('select secret, packed from parcel where id = 5000');
    const packed = JSON.parse(gunzipSync(row?.packed as Buffer).toString()) as string[];
    expect([String(row?.secret), ...packed].map((text) => openText(text, to)?.toString())).toEqual(
      Array(9).fill('a secret'),
    );
    const [shown] = await world.exec('show create table parcel');
    expect(Object.values(shown ?? {}).join()).toMatch(
      /`packed` varbinary\(\d{3}\) NOT NULL DEFAULT .* COMMENT 'a, b'/,
    );
  });

  test('does not start while the application is connected', async () => {
    await fill(1);
    const application = await openDatabase(world.url, { applicationName: 'the application' });
    closing.push(application);
    await application.count('vault');
    const refused = await keyturn(rotateWords(), { cwd: dir });
    expect({ code: refused.code, stderr: refused.stderr }).toEqual({
      code: 2,
      stderr: expect.stringContaining('keyturn: error: still connected to mysql://'),
    });
  });

  test.each(['write', 'commit', 'acknowledge'])(
    'continues after a kill -9 before the step %s',
    async (step) => {
      await fill(120);
      const killed = await keyturn(rotateWords(), { cwd: dir, killAt: `${step}:3` });
      expect(killed.signal).toBe('SIGKILL');
      const status = await keyturn(['status', '--database', world.url, '--json'], { cwd: dir });
      expect(JSON.parse(status.stdout).report.run.state).toBe('rotating');
      const resumed = await keyturn(['resume', '--database', world.url, ...keys, '--report-dir', 'report'], {
        cwd: dir,
      });
      expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({
        code: 0,
        stderr: expect.not.stringContaining('keyturn: error'),
      });
      await expectRotated(120);
    },
  );

  test('continues by itself if a row is locked and the connection that waits for it is cut', async () => {
    await fill(60);
    const killed = await keyturn(rotateWords(), { cwd: dir, killAt: 'commit:2' });
    expect(killed.signal).toBe('SIGKILL');
    const holder = await mysql2.createConnection(driverUrl(world.url));
    // As of keyturn: the application is not connected
    await holder.query(`do get_lock(concat('keyturn-session-', connection_id()), 0)`);
    await holder.query('begin');
    await holder.query('select * from keyturn_run for update');
    const args = ['resume', '--database', world.url, ...keys, '--report-dir', 'report'];
    const resumed = keyturn(args, { cwd: dir });
    let cut: Record<string, unknown> | undefined;
    while (cut === undefined)
      [cut] = await world.exec(
        `select id from information_schema.processlist where db = database() and info like 'update \`keyturn_run\`%'`,
      );
    await world.exec(`kill ${cut.id}`);
    await holder.end();
    const { code, stderr } = await resumed;
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('the connection to the database was lost'),
    });
    await expectRotated(60);
  });

  test('keeps what a writer with the old key writes, rotates its row again, and sweeps rows that it inserts', async () => {
    await fill(60);
    const stage = await Stage.open({ url: world.url }, oldKey, newKey, {
      job: join(dir, 'own.yaml'),
      options: { chunkRows: 10 },
    });
    closing.push(stage);
    const late = sealLegacy(plainOf('row 999', 'token'), oldKey);
    const settings = sealLegacy(plainOf('row 999', 'settings'), oldKey);
    const ended = await stage.finish({
      meddling: [
        {
          step: 'write',
          chunk: 2,
          // Nothing holds a row of the chunk yet
          times: [
            [
              `update vault set token = '${sealLegacy(plainOf('row 1', 'token'), oldKey)}', updated_at = updated_at where note = 'row 1'`,
              `update vault set token = '${sealLegacy(plainOf('row 5', 'token'), oldKey)}', updated_at = updated_at where note = 'row 5'`,
            ],
          ],
        },
        {
          step: 'verify',
          chunk: 1,
          times: [
            [
              `insert into vault (tenant, at, number, hash, token, settings, note) values ('', '2000-01-01', 1, 'hash', '${late}', '{ "big": 12345678901234567890, "any": ["x", "${settings}"], "filler": "" }', 'row 999')`,
            ],
          ],
        },
      ],
    });
    expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
    expect(ended.totals.get('vault')?.sweeps?.tally.rows).toBe(1);
    await expectRotated(61);
  });

  test('writes documents of several megabytes in statements that max_allowed_packet allows', async () => {
    const filler = new Random('filler').bytes(2_400_000).toString('base64');
    await fill(4, filler);
    const rotated = await keyturn(rotateWords(), { cwd: dir });
    expect({ code: rotated.code, stderr: rotated.stderr }).toEqual({
      code: 0,
      stderr: expect.not.stringContaining('keyturn: error'),
    });
    await expectRotated(4, filler);
  });

  test("rotates what the server's own TO_BASE64 broke into lines, and leaves it broken in the same way", async () => {
    const lined = `job: lined
title: Lined
key: { generate: { bytes: 24, as: base64 } }
canary: [{ table: lined, column: token, lines: 76, format: n8n, plaintext: utf8 }]
phases: [{ name: values, targets: [{ table: lined, fields: [{ column: token, lines: 76, format: n8n, plaintext: utf8 }] }] }]
`;
    writeFileSync(join(dir, 'own.yaml'), lined);
    await world.exec('create table lined (id int primary key, token varchar(500))');
    const plain = (id: number): string => `secret ${id} ${'.'.repeat(12 * id)}`;
    for (let id = 0; id < 20; id++)
      await world.exec('insert into lined values (?, to_base64(from_base64(?)))', [
        id,
        sealLegacy(plain(id), oldKey),
      ]);
    const rotated = await keyturn(rotateWords(), { cwd: dir });
    expect({ code: rotated.code, stderr: rotated.stderr }).toMatchObject({ code: 0 });
    const found = await world.exec(
      'select token, to_base64(from_base64(token)) as again from lined order by id',
    );
    for (const [id, { token, again }] of found.entries()) {
      expect(token).toBe(again);
      expect(openLegacy(String(token).replaceAll('\n', ''), newKey).toString()).toBe(plain(id));
    }
    expect(found.some(({ token }) => String(token).split('\n').length > 3)).toBe(true);
  });
});
