import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mysql2 from 'mysql2/promise';
import { type Ended, keyturn } from '../support/cli.ts';
import type { MariadbServer } from '../support/mariadb.ts';
import { startMysql } from '../support/mysql.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { randomFrom, seedOf } from './random.ts';

const oldKey = 'the key before it';
const rows = 200_000;
const kills = 8;

const job = `job: own
title: Own system
key: { trim: space, generate: { bytes: 24, as: base64 } }
canary: [{ table: token, column: secret, format: n8n, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: token
        fields:
          - { column: secret, format: n8n, plaintext: utf8 }
          - { column: data, document: { json: any }, format: n8n, foreign: leave, closed: look-alike }
`;

const onMysql = process.env.KEYTURN_TEST_MYSQL === undefined ? describe.skip : describe;

onMysql('200,000 rows on MySQL', () => {
  let server: MariadbServer;
  let client: mysql2.Connection;
  let dir: string;

  beforeAll(async () => {
    server = await startMysql(['sql-generate-invisible-primary-key=ON', 'max-allowed-packet=16M']);
    dir = mkdtempSync(join(tmpdir(), 'keyturn-mysql-'));
    writeFileSync(join(dir, 'own.yaml'), job);
    writeFileSync(join(dir, 'current.key'), oldKey, { mode: 0o600 });
    client = await mysql2.createConnection({ uri: server.url, charset: 'utf8mb4' });
    await client.query('create database many');
    await client.query('use many');
    // No primary key: the server adds an invisible one
    await client.query(`create table token (secret text not null, data json not null,
      label varchar(40) generated always as (json_unquote(json_extract(data, '$.name'))) stored,
      size int generated always as (char_length(secret)) virtual, number int not null, index (label), index (number))`);
    for (let from = 0; from < rows; from += 2_000) await insert(from, from + 2_000);
  }, 300_000);
  afterAll(async () => {
    await client?.end();
    await server?.stop();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  const plain = (number: number, where: string) => `secret ${number} of ${where} ✓`;
  const insert = (from: number, to: number) =>
    client.query('insert into token (secret, data, number) values ?', [
      Array.from({ length: to - from }, (_, i) => {
        const at = from + i;
        const data = {
          name: `row ${at}`,
          ratio: 1.5,
          deep: [{ secret: sealLegacy(plain(at, 'json'), oldKey) }],
        };
        return [sealLegacy(plain(at, 'text'), oldKey), JSON.stringify(data), at];
      }),
    ]);

  test('are rotated beside a writer through kills at random moments, and an independent decryptor reads every value', async () => {
    const seed = seedOf();
    const random = randomFrom(seed);
    const written = new Map<number, string>();
    const keys = ['--database', `${server.url}/many`, '--new-key-file', join(dir, 'new.key')];
    keys.push('--current-key-file', join(dir, 'current.key'));
    const pace = ['--workers', '2', '--chunk-rows', '2000', '--force'];
    const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];

    let isWriting = true;
    const writer = (async () => {
      for (let i = 0; isWriting; i++) {
        const number = Math.floor(random() * rows);
        const secret = `written meanwhile: ${i}`;
        await client.query('update token set secret = ? where number = ?', [
          sealLegacy(secret, oldKey),
          number,
        ]);
        written.set(number, secret);
      }
    })();
    const ended: Ended[] = [];
    const next = (killAfter?: number) => {
      const args =
        ended.length === 0
          ? ['rotate', '--job', join(dir, 'own.yaml'), ...keys, ...consent, ...pace]
          : ['resume', ...keys, '--workers', '2', '--force'];
      return keyturn(args, { cwd: dir, ...(killAfter === undefined ? {} : { killAfter }) });
    };
    try {
      while (ended.length < kills) ended.push(await next(3_000 + random() * 2_000));
    } finally {
      isWriting = false;
      await writer;
    }
    const last = await next();
    expect({ seed, code: last.code, stderr: last.stderr.slice(-1_000) }).toEqual({
      seed,
      code: 0,
      stderr: expect.anything(),
    });
    expect(ended.filter(({ signal }) => signal === 'SIGKILL').length).toBeGreaterThanOrEqual(3);

    const newKey = readFileSync(join(dir, 'new.key'), 'utf8').trim();
    const opened = (text: unknown) => openLegacy(String(text), newKey).toString();
    const problems: string[] = [];
    let read = 0;
    for (let from = 0; from < rows; from += 5_000) {
      const [found] = await client.query<mysql2.RowDataPacket[]>(
        'select secret, data, label, size, number from token where number >= ? and number < ? order by number',
        [from, from + 5_000],
      );
      for (const { secret, data, label, size, number } of found) {
        const whole =
          opened(secret) === (written.get(number) ?? plain(number, 'text')) &&
          opened(data.deep[0].secret) === plain(number, 'json') &&
          data.ratio === 1.5 &&
          label === `row ${number}` &&
          size === secret.length;
        if (!whole) problems.push(`row ${number}`);
        read += 1;
      }
    }
    process.stderr.write(`MySQL: ${written.size} rows written meanwhile, ${ended.length} processes killed\n`);
    expect({ seed, problems, read }).toEqual({ seed, problems: [], read: rows });
  }, 1_200_000);
});
