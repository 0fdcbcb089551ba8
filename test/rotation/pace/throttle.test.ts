import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import type { Database } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import type { Pace } from '../../../src/rotation/pace/pace.ts';
import { paceOf } from '../../../src/rotation/pace/pace.ts';
import { parseThrottle, ThrottlePace } from '../../../src/rotation/pace/throttle.ts';
import { createDatabase } from '../../support/postgres.ts';

let dir: string;
let sqlite: Database;
let postgres: Database;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-throttle-'));
  const path = join(dir, 'app.sqlite');
  new Sqlite(path).exec('create table busy (n int); insert into busy values (1)').close();
  sqlite = await openDatabase(`sqlite:${path}`);
  postgres = await openDatabase((await createDatabase()).url);
});
afterAll(async () => {
  await sqlite.close();
  await postgres.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The clock on the wall stands still, and is nobody's business here. */
const facts = (ms: number, rows = 0) => ({ now: new Date(0), elapsedMs: ms, chunkMs: null, rows });

describe('a throttle', () => {
  test('by file waits while the file exists', async () => {
    const path = join(dir, 'hold');
    const throttle = parseThrottle(`file=${path}`, sqlite);
    expect(await throttle.check(facts(0))).toBeNull();
    writeFileSync(path, '');
    expect(await throttle.check(facts(0))).toBe(`${path} exists`);
  });

  test.each([
    ['select 1', true],
    ['select 0', false],
    ['select count(*) from busy', true],
    ['select n from busy where n > 5', false],
  ])('by an SQL condition, %s, holds: %s', async (sql, holds) => {
    expect((await parseThrottle(`sql=${sql}`, sqlite).check(facts(0))) !== null).toBe(holds);
  });

  test('by an SQL condition takes a boolean of PostgreSQL', async () => {
    expect(await parseThrottle('sql=select true', postgres).check(facts(0))).not.toBeNull();
    expect(await parseThrottle('sql=select false', postgres).check(facts(0))).toBeNull();
  });

  test('by rows per second allows as many rows as the rate', async () => {
    const throttle = parseThrottle('rows-per-second=100', sqlite);
    expect(await throttle.check(facts(0, 0))).toBeNull();
    expect(await throttle.check(facts(1000, 200))).toBeNull();
    expect(await throttle.check(facts(1000, 201))).toBe('limit 100 rows per second');
    expect(await throttle.check(facts(1020, 201))).toBeNull();
  });

  test('by free disk waits while less is free', async () => {
    expect(await parseThrottle(`free-disk=${dir}:1KB`, sqlite).check(facts(0))).toBeNull();
    expect(await parseThrottle(`free-disk=${dir}:9999TB`, sqlite).check(facts(0))).toMatch(/required$/);
  });

  test('by the size of the WAL says what it measured', async () => {
    expect(await parseThrottle('wal=9999GB', postgres).check(facts(0))).toBeNull();
    expect(await parseThrottle('wal=1KB', postgres).check(facts(0))).toMatch(/^\d+ MB, limit 0 MB$/);
  });

  test('by replication lag does not wait without a standby', async () => {
    expect(await parseThrottle('replication-lag=10s', postgres).check(facts(0))).toBeNull();
  });

  test.each(['', 'speed=3', 'rows-per-second=', 'rows-per-second=fast', 'free-disk=5GB', 'wal=lots', 'file'])(
    '"%s" is refused',
    (text) => {
      expect(() => parseThrottle(text, postgres)).toThrow(expect.objectContaining({ code: 'bad-option' }));
    },
  );

  test('of another engine is refused, and the message lists the valid names', () => {
    expect(() => parseThrottle('replication-lag=3', sqlite)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('wal') }),
    );
  });
});

describe('the pace of throttles', () => {
  test('says which throttle waits, and why', async () => {
    const pace = new ThrottlePace([
      parseThrottle('sql=select 0', sqlite),
      parseThrottle('sql=select 1', sqlite),
    ]);
    expect(await pace.check(facts(0))).toEqual({ kind: 'wait', reason: 'sql: the condition is true' });
  });

  test('does not wait if a check fails, and says that it is unknown', async () => {
    const pace = new ThrottlePace([parseThrottle('sql=select nonsense', sqlite)]);
    expect(await pace.check(facts(0))).toEqual({ kind: 'note', reason: 'unknown: sql' });
  });

  test('asks at most once a second', async () => {
    let asked = 0;
    const pace = new ThrottlePace([{ name: 'counted', check: async () => String(++asked) }]);
    for (const at of [0, 500, 999, 1000, 1500, 2000]) await pace.check(facts(at));
    expect(asked).toBe(3);
  });

  test('asks every time if the check costs nothing', async () => {
    let asked = 0;
    const pace = new ThrottlePace([{ name: 'counted', free: true, check: async () => String(++asked) }]);
    for (const at of [0, 500, 999]) await pace.check(facts(at));
    expect(asked).toBe(3);
  });
});

test('of several paces, one that ends the session takes precedence over one that waits, and that over a note', async () => {
  const holding = (kind: 'end' | 'wait' | 'note'): Pace => ({ check: async () => ({ kind, reason: kind }) });
  const none: Pace = { check: async () => null };
  const strongest = async (...paces: Pace[]) => (await paceOf(paces).check(facts(0)))?.kind;
  expect(await strongest(none)).toBeUndefined();
  expect(await strongest(none, holding('note'), none)).toBe('note');
  expect(await strongest(holding('note'), holding('wait'), none)).toBe('wait');
  expect(await strongest(holding('wait'), holding('note'))).toBe('wait');
  expect(await strongest(holding('wait'), holding('end'))).toBe('end');
});
