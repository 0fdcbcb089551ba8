import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keyturn } from '../support/cli.ts';
import { createMssqlDatabase, mssqlServer } from '../support/mssql.ts';
import { openLegacy } from '../support/n8n/decrypt.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import type { TestDatabase } from '../support/postgres.ts';

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

const plainOf = (note: string, column: string): string => `secret of ${note} in ${column} ✓`;

if (mssqlServer === undefined)
  test.todo('a job on SQL Server: set KEYTURN_TEST_MSSQL to the URL of one, and it is rotated there');
else
  describe('a job on SQL Server', () => {
    let dir: string;
    let world: TestDatabase;

    beforeEach(async () => {
      dir = mkdtempSync(join(tmpdir(), 'keyturn-mssql-'));
      writeFileSync(join(dir, 'own.yaml'), job);
      writeFileSync(join(dir, 'old.key'), oldKey, { mode: 0o600 });
      writeFileSync(join(dir, 'new.key'), newKey, { mode: 0o600 });
      world = await createMssqlDatabase();
      await world.exec(`create table vault (tenant varchar(20) not null, at datetime2(6) not null,
        number bigint not null, token nvarchar(max) not null, sealed varbinary(max), settings nvarchar(max),
        note nvarchar(40), changed rowversion, primary key (tenant, at, number))`);
    });
    afterEach(async () => {
      await world.close();
      rmSync(dir, { recursive: true, force: true });
    });

    /** Notes name the rows, since nothing rewrites them. */
    async function fill(rows: number): Promise<void> {
      for (let i = 0; i < rows; i++) {
        const sealed = (column: string): string => sealLegacy(plainOf(`row ${i}`, column), oldKey);
        const settings = `{ "big": 12345678901234567890, "any": ["x", "${sealed('settings').replaceAll('/', '\\/')}"], "ünï": "😀" }`;
        await world.exec(
          'insert into vault (tenant, at, number, token, sealed, settings, note) values (@p0, @p1, @p2, @p3, @p4, @p5, @p6)',
          [
            ['Ä', 'a b', 'z', '_'][i % 4],
            `2024-01-01 00:00:00.${String(i % 7).padStart(6, '0')}`,
            String(2n ** 63n - BigInt(1 + i)),
            sealed('token'),
            i % 3 === 0 ? null : Buffer.from(sealed('sealed')),
            settings,
            `row ${i}`,
          ],
        );
      }
    }

    async function expectRotated(rows: number): Promise<void> {
      const found = (await world.exec('select * from vault')) as Record<string, string | Buffer | null>[];
      expect(found).toHaveLength(rows);
      for (const { note, token, sealed, settings } of found) {
        expect(openLegacy(String(token), newKey).toString()).toBe(plainOf(String(note), 'token'));
        if (sealed !== null)
          expect(openLegacy(String(sealed), newKey).toString()).toBe(plainOf(String(note), 'sealed'));
        const [, inside = ''] =
          /^\{ "big": 12345678901234567890, "any": \["x", "([^"]*)"\], "ünï": "😀" \}$/.exec(
            String(settings),
          ) ?? [];
        expect(openLegacy(inside.replaceAll('\\/', '/'), newKey).toString()).toBe(
          plainOf(String(note), 'settings'),
        );
      }
    }

    const old = ['--job', 'own.yaml', '--current-key-file', 'old.key'];
    const run = ['--new-key-file', 'new.key', '--report-dir', 'report'];
    const rotate = [
      ...['rotate', ...old, ...run, '--chunk-rows', '20', '--workers', '2'],
      ...['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'],
    ];

    async function said(...words: string[]): Promise<string> {
      const { code, stdout, stderr } = await keyturn([...words, '--database', world.url], { cwd: dir });
      if (code !== 0) throw new Error(`keyturn ${words[0]} ended with ${code}: ${stderr}`);
      expect(stdout + stderr).not.toMatch(/U2FsdGVkX1|secret of/);
      expect(stdout + stderr).not.toContain(new URL(world.url).password);
      return stdout;
    }

    test('is planned, rotated by two worker threads, reported, verified again and forgotten by the command line', async () => {
      await fill(150);
      await said('plan', ...old, '--sample-writes');
      expect(await said(...rotate)).toMatch(/^VERIFIED: /);
      await expectRotated(150);
      expect(JSON.parse(await said('status', '--json')).report).toMatchObject({
        run: { state: 'verified' },
        totals: { ranges: { tally: { rows: 150, exceptions: 0 } } },
      });
      await said('verify', '--job', 'own.yaml', '--current-key-file', 'new.key');
      expect(readFileSync(join(dir, 'report', 'report.txt'), 'utf8')).toContain('VERIFIED');
      await said('forget', '--yes');
      expect(await world.exec(`select name from sys.tables where name like 'keyturn%'`)).toEqual([]);
    });

    test.each(['write', 'commit', 'acknowledge'])(
      'continues after a kill -9 before the step %s',
      async (step) => {
        await fill(80);
        const killed = await keyturn([...rotate, '--database', world.url], { cwd: dir, killAt: `${step}:3` });
        expect(killed.signal).toBe('SIGKILL');
        await said('resume', '--current-key-file', 'old.key', ...run);
        await expectRotated(80);
      },
    );

    test('skips a value that does not decrypt, lists it, and finishes after it is fixed', async () => {
      await fill(30);
      const [before] = await world.exec(`select token from vault where note = 'row 7'`);
      await world.exec(`update vault set token = '${sealLegacy('x', 'a third key')}' where note = 'row 7'`);
      const skipped = await keyturn([...rotate, '--on-exception', 'skip', '--database', world.url], {
        cwd: dir,
      });
      expect({ code: skipped.code, stderr: skipped.stderr }).toEqual({ code: 3, stderr: expect.any(String) });
      expect(JSON.parse(await said('exceptions', 'list', '--json')).exceptions).toHaveLength(1);
      await world.exec(`update vault set token = @p0 where note = 'row 7'`, [before?.token]);
      await said('exceptions', 'retry', '--current-key-file', 'old.key', ...run);
      await expectRotated(30);
    });
  });
