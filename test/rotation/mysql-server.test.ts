import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mysql2 from 'mysql2/promise';
import type { MariadbServer } from '../support/mariadb.ts';
import { startMysql } from '../support/mysql.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { Random } from '../support/random.ts';
import { Stage } from './stage.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it';
const rows = 24;

/** What MySQL has and MariaDB has not, or what it does in another way. */
const ids: Readonly<Record<string, { readonly type: string; readonly of: (i: number) => string }>> = {
  double: { type: 'double', of: (i) => `${(i - 12) / 7}e${i * 11}` },
  float: { type: 'float', of: (i) => String(Math.fround((i - 12) / 7)) },
  bigint: { type: 'bigint unsigned', of: (i) => String(2n ** 63n - 12n + BigInt(i)) },
  time: { type: 'time(6)', of: (i) => `${i % 2 === 0 ? '-' : ''}00:00:00.0000${String(i + 10)}` },
  datetime: { type: 'datetime(6)', of: (i) => `2024-01-01 00:00:00.0000${String(i + 10)}` },
  binary: { type: 'binary(4)', of: (i) => `\0${String(i).padStart(3, 'x')}` },
};

const job = `job: own
title: Own system
key: { trim: space, generate: { bytes: 24, as: base64 } }
canary: [{ table: order, column: select, format: n8n, plaintext: utf8 }]
phases:
  - name: values
    targets:
      - table: order
        fields:
          - { column: select, format: n8n, plaintext: utf8 }
          - { column: key, document: { json: any }, format: n8n, foreign: leave, closed: look-alike }
${Object.keys(ids)
  .map((name) => `      - { table: by_${name}, fields: [{ column: v, format: n8n, plaintext: utf8 }] }\n`)
  .join('')}`;

const onMysql = process.env.KEYTURN_TEST_MYSQL === undefined ? describe.skip : describe;

onMysql('a MySQL server with unusual settings', () => {
  let server: MariadbServer;
  let dir: string;
  let client: mysql2.Connection;

  beforeAll(async () => {
    server = await startMysql([
      'sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,HIGH_NOT_PRECEDENCE',
      ...['max-allowed-packet=1M', 'lower-case-table-names=1', 'sql-generate-invisible-primary-key=ON'],
      'show-gipk-in-create-table-and-information-schema=OFF',
    ]);
    dir = mkdtempSync(join(tmpdir(), 'keyturn-mysql-'));
    writeFileSync(join(dir, 'own.yaml'), job);
    client = await mysql2.createConnection({ uri: server.url, charset: 'utf8mb4', jsonStrings: true });
    await client.query("set session sql_mode = ''");
    await client.query('do get_lock(concat("keyturn-session-", connection_id()), 0)');
    await client.query('create database unusual');
    await client.query('use unusual');
  });
  afterAll(async () => {
    await client?.end();
    await server?.stop();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  const plain = (i: number, where: string) => `secret ${i} of ${where} ✓`;
  const sealed = (i: number, where: string) => sealLegacy(plain(i, where), oldKey);
  const filler = new Random('filler').bytes(150_000).toString('base64');

  async function fill(): Promise<void> {
    // No primary key: the server adds an invisible one
    await client.query(`create table \`Order\` (\`select\` text not null, \`key\` json,
      \`group\` varchar(40) generated always as (json_unquote(json_extract(\`key\`, '$.name'))) stored,
      \`rank\` int generated always as (note + 1) virtual, note int not null, index (\`group\`))`);
    for (let i = 0; i < rows; i++) {
      const key = { name: `row "${i}"`, big: 1.5, deep: [{ secret: sealed(i, 'json') }], filler };
      await client.query('insert into `order` (`select`, `key`, note) values (?, ?, ?)', [
        sealed(i, 'text'),
        JSON.stringify(key),
        i,
      ]);
    }
    for (const [name, { type, of }] of Object.entries(ids)) {
      await client.query(`create table by_${name} (id ${type} primary key, v text not null, i int not null)`);
      for (let i = 0; i < rows; i++)
        await client.query(`insert into by_${name} values (?, ?, ?)`, [of(i), sealed(i, name), i]);
    }
  }

  const read = async (sql: string) => (await client.query<mysql2.RowDataPacket[]>(sql))[0];
  const opened = (text: unknown) => openLegacy(String(text), newKey).toString();

  test('rotates JSON, generated columns, invisible keys, reserved words and every kind of row id, beside a writer', async () => {
    await fill();
    const url = `${server.url}/unusual`;
    const stage = await Stage.open({ url }, oldKey, newKey, {
      job: join(dir, 'own.yaml'),
      options: { chunkRows: 5 },
    });
    try {
      const written = sealLegacy('written meanwhile', oldKey);
      const ended = await stage.finish({
        meddling: [
          {
            step: 'write',
            chunk: 2,
            times: [
              [
                `update \`order\` set \`key\` = json_set(\`key\`, '$.late', '${written}') where note between 5 and 9`,
                `update by_double set v = '${written}' where i = 7`,
              ],
            ],
          },
        ],
      });
      expect(ended).toMatchObject({ error: undefined, run: { state: 'verified' }, exceptions: [] });
    } finally {
      await stage.close();
    }
    const orders = await read('select `select`, `key`, `group`, `rank`, note from `order` order by note');
    expect(orders).toHaveLength(rows);
    for (const order of orders) {
      const key = JSON.parse(order.key);
      expect([opened(order.select), opened(key.deep[0].secret)]).toEqual([
        plain(order.note, 'text'),
        plain(order.note, 'json'),
      ]);
      expect([key.name, order.group, order.rank, key.filler.length]).toEqual([
        `row "${order.note}"`,
        `row "${order.note}"`,
        order.note + 1,
        filler.length,
      ]);
    }
    const late = orders.filter(({ key }) => JSON.parse(key).late !== undefined);
    expect(late.map(({ key }) => opened(JSON.parse(key).late))).toEqual(Array(5).fill('written meanwhile'));
    for (const name of Object.keys(ids)) {
      const found = await read(`select v, i from by_${name} order by i`);
      expect(found.map(({ v }) => opened(v))).toEqual(
        found.map(({ i }) => (name === 'double' && i === 7 ? 'written meanwhile' : plain(i, name))),
      );
      expect(found).toHaveLength(rows);
    }
  });
});
