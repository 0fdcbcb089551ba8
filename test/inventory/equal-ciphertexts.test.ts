import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database } from '../../src/databases/database.ts';
import { openDatabase } from '../../src/databases/open.ts';
import { KeyturnError } from '../../src/error.ts';
import { formatNames } from '../../src/formats/registry.ts';
import { preflight } from '../../src/inventory/preflight.ts';
import { loadJob } from '../../src/job/load.ts';
import { resolveJob } from '../../src/job/resolve.ts';
import { Key } from '../../src/keys/key.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { sealEqually, sealFernet, sealGcm } from '../support/sealed.ts';
import { createSqlite } from '../support/sqlite.ts';

const key = randomBytes(32);
const gcm = '{ aes-gcm: { layout: [nonce 12, ciphertext, tag 16], prefix: "enc:" } }';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-equal-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A job with one table, and what each field says besides its column. */
function jobOf(fields: Readonly<Record<string, string>>, format = gcm): string {
  const path = join(folder, 'job.yaml');
  const lines = Object.entries(fields).map(
    ([column, more]) => `          - { column: ${column}, format: ${format}, plaintext: utf8${more} }`,
  );
  const [first = ''] = Object.keys(fields);
  writeFileSync(
    path,
    `job: own
title: Own
key: { form: hex, bytes: [32], generate: { bytes: 32, as: hex } }
canary: [{ table: users, column: ${first}, format: ${format} }]
phases:
  - name: values
    targets:
      - table: users
        fields:
${lines.join('\n')}
`,
  );
  return path;
}

describe.each([
  ['SQLite', createSqlite],
  ['PostgreSQL', createDatabase],
] as const)('equal ciphertexts on %s', (_, create) => {
  let world: TestDatabase;
  let database: Database;
  beforeEach(async () => {
    world = await create();
    database = await openDatabase(world.url);
  });
  afterEach(async () => {
    await database.close();
    await world.close();
  });

  /** Cells by column; each row gets its number as id. */
  async function fill(rows: readonly Readonly<Record<string, string>>[]): Promise<void> {
    const names = Object.keys(rows[0] ?? {});
    await world.exec(`create table users (id integer primary key, ${names.map((name) => `${name} text`)})`);
    for (const [id, row] of rows.entries()) {
      const values = Object.values(row).map((text) => `'${text}'`);
      await world.exec(`insert into users values (${[id, ...values]})`);
    }
  }

  async function look(job: string): Promise<KeyturnError | 'goes on'> {
    const catalog = await database.catalog();
    const keys = { current: Key.fromBytes(key), next: Key.fromBytes(randomBytes(32)), generated: true };
    try {
      await preflight(database, catalog, resolveJob(loadJob(job, formatNames), catalog), keys);
      return 'goes on';
    } catch (error) {
      if (error instanceof KeyturnError) return error;
      throw error;
    }
  }

  const users = (seal: (key: Buffer, plain: string) => string, repeated = 3) =>
    Array.from({ length: 12 }, (_, i) => ({
      email: seal(key, `u${i}@example.com`),
      org: seal(key, `org ${i % repeated}`),
    }));

  test('under a unique index are refused until the job says that they may become random', async () => {
    await fill(users(sealEqually, 12));
    await world.exec('create unique index by_email on users (org, email)');
    expect(await look(jobOf({ email: '' }))).toMatchObject({
      code: 'equal-ciphertexts',
      message: expect.stringContaining('a unique index covers users.email'),
    });
    expect(await look(jobOf({ email: ', randomize: true', org: ', randomize: true' }))).toBe('goes on');
  });

  test('of equal plaintexts are refused until the job says that they may become random', async () => {
    await fill(users(sealEqually));
    expect(await look(jobOf({ email: '', org: '' }))).toMatchObject({
      code: 'equal-ciphertexts',
      message: expect.stringContaining('equal plaintexts have equal ciphertexts in users.org'),
    });
    expect(await look(jobOf({ email: '', org: ', randomize: true' }))).toBe('goes on');
  });

  test('of copied rows, or of versions of a row, are not refused', async () => {
    const seven = sealGcm(key, 'seven');
    const eight = sealGcm(key, 'eight');
    const copies = [seven, eight].flatMap((org) =>
      Array(5).fill({ org, name: `of ${org.length}`, note: 'x' }),
    );
    const versions = [seven, eight].flatMap((org, of) =>
      Array.from({ length: 5 }, (_, i) => ({ org, name: `secret ${of}`, note: `version ${i}` })),
    );
    await fill([...copies]);
    expect(await look(jobOf({ org: '' }))).toBe('goes on');
    await world.exec('drop table users');
    await database.close();
    database = await openDatabase(world.url);
    await fill(versions);
    expect(await look(jobOf({ org: '' }))).toBe('goes on');
    await world.exec('create index by_org on users (org)');
    await database.close();
    database = await openDatabase(world.url);
    expect(await look(jobOf({ org: '' }))).toMatchObject({ code: 'equal-ciphertexts' });
  });

  test('are not expected of a random nonce, or of a format that is random by definition', async () => {
    await fill(users((of, plain) => sealGcm(of, plain)));
    expect(await look(jobOf({ email: '', org: '' }))).toBe('goes on');
    await world.exec('drop table users');
    await database.close();
    database = await openDatabase(world.url);
    const one = sealFernet(key, 'org');
    await fill(Array.from({ length: 9 }, (_, i) => ({ email: sealFernet(key, `u${i}`), org: one })));
    await world.exec('create unique index by_email on users (email)');
    expect(await look(jobOf({ email: '', org: '' }, 'fernet'))).toBe('goes on');
  });
});
