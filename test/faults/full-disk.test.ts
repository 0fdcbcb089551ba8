import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Ended, keyturn, rotation } from '../support/cli.ts';
import { createMysqlDatabase } from '../support/mariadb.ts';
import { expectMany, manyElsewhere, manyPostgres, manySqlite } from '../support/n8n/many.ts';
import type { Place } from '../support/n8n/store.ts';
import { openStore } from '../support/n8n/store.ts';
import { needing } from '../support/needing.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { mayMount, type SmallDisk, smallDisk } from './small-disk.ts';

const many = { credentials: 500, instanceKey: 'the old key of many credentials' };

let dir: string;
let database: TestDatabase;
let place: Place;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-disk-'));
  database = await createDatabase();
  place = await manyPostgres(database.url, many);
});
afterEach(async () => {
  await database.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A user who cannot mount a file system can still limit the size of files: no byte more can be written. */
const noRoom = { maxFileBytes: 0 };

async function keyturnTables(): Promise<unknown[]> {
  const store = await openStore(place);
  const found = await store.rows("select tablename from pg_tables where tablename like 'keyturn%'");
  await store.close();
  return found;
}

/** When there is room again, the run is continued or started, and finishes. */
async function expectDone(args: readonly string[]): Promise<void> {
  expect(await keyturn(args, { cwd: dir })).toMatchObject({ code: 0 });
  expect(await expectMany(place, newKey(), many)).toEqual([]);
}

const newKey = (): string => readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();

function expectNoReport(ended: Ended): void {
  expect(ended).toMatchObject({ code: 0 });
  expect(ended.stdout).toContain('VERIFIED: the new key decrypts every value');
  expect(ended.stderr).toMatch(
    /the report could not be written to .*: (the disk is full|the limit for the size of a file)/,
  );
  expect(ended.stderr).toContain('write it again with keyturn report; the run itself is not affected');
}

describe('with a file size limit of zero', () => {
  test('the new key is refused a place before anything is touched', async () => {
    const { all } = rotation(dir, place, many.instanceKey);
    const refused = await keyturn(['rotate', ...all], { cwd: dir, ...noRoom });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toMatch(/cannot write the new key to .*new\.masterkey: /);
    expect(existsSync(join(dir, 'new.masterkey'))).toBe(false);
    expect(await expectMany(place, many.instanceKey, many)).toEqual([]);
    expect(await keyturnTables()).toEqual([]);
    await expectDone(['rotate', ...all]);
  });

  test('a report that cannot be written is reported as missing, and keyturn report writes it later', async () => {
    const { all, keys } = rotation(dir, place, many.instanceKey);
    await keyturn(['rotate', ...all], { cwd: dir, killAt: 'verify:1' });
    expectNoReport(await keyturn(['resume', ...keys, '--report-dir', 'report'], { cwd: dir, ...noRoom }));
    expect(await expectMany(place, newKey(), many)).toEqual([]);
    expect(readdirSync(join(dir, 'report'))).toEqual([]);
    await expectReportLater();
  });
});

const onADisk = mayMount() ? describe : describe.skip;

onADisk('on a disk that is full', () => {
  let disk: SmallDisk;
  beforeEach(() => {
    disk = smallDisk(join(dir, 'disk')) as SmallDisk;
  });
  afterEach(() => {
    disk.close();
  });

  test('the new key is refused a place before anything is touched', async () => {
    const { all } = rotation(dir, place, many.instanceKey, { newKey: join(disk.path, 'new.masterkey') });
    disk.fill();
    const refused = await keyturn(['rotate', ...all], { cwd: dir });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toMatch(/cannot write the new key to .*new\.masterkey: the disk is full/);
    expect(readdirSync(disk.path)).toEqual(['filler']);
    expect(await keyturnTables()).toEqual([]);
  });

  test('derived secrets that cannot be written are refused too, and the next try uses the new key that exists', async () => {
    const { all } = rotation(dir, place, many.instanceKey, { newKey: join(disk.path, 'new.masterkey') });
    disk.fill(4_096);
    const refused = await keyturn(['rotate', ...all], { cwd: dir });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toMatch(/cannot write the derived secrets to .*: the disk is full/);
    expect(readdirSync(disk.path).sort()).toEqual(['filler', 'new.masterkey']);
    expect(await keyturnTables()).toEqual([]);
    const key = readFileSync(join(disk.path, 'new.masterkey'), 'utf8').trim();
    disk.free();
    expect(await keyturn(['rotate', ...all], { cwd: dir })).toMatchObject({ code: 0 });
    expect(await expectMany(place, key, many)).toEqual([]);
  });

  test('a report that cannot be written leaves no partial file, and keyturn report writes it later', async () => {
    const { all } = rotation(dir, place, many.instanceKey);
    disk.fill();
    expectNoReport(await keyturn(['rotate', ...all, '--report-dir', disk.path], { cwd: dir }));
    expect(await expectMany(place, newKey(), many)).toEqual([]);
    expect(readdirSync(disk.path)).toEqual(['filler']);
    const again = await keyturn(['report', '--database', place.url, '--report-dir', disk.path], { cwd: dir });
    expect(again).toMatchObject({ code: 3 });
    expect(again.stderr).toContain('the disk is full');
    disk.free();
    await expectReportLater();
  });

  /** The disk is full before keyturn's tables are created, or at some later moment. */
  test.each([0, 40, 100])(
    'a database with %i KiB left on its disk stops the run, which can be resumed',
    async (kib) => {
      disk.close();
      disk = smallDisk(disk.path, 2 * 1024 * 1024) as SmallDisk;
      const sqlite = manySqlite(join(disk.path, 'database.sqlite'), many);
      const { all } = rotation(dir, sqlite, many.instanceKey);
      const pace = ['--chunk-rows', '50', '--workers', '1'];
      disk.fill(kib * 1024);
      const stopped = await keyturn(['rotate', ...all, ...pace, '--json'], { cwd: dir });
      expect(stopped).toMatchObject({ code: 3 });
      expect(stopped.stderr).toMatch(/disk is full/);
      expect(JSON.parse(stopped.stdout).error).toMatchObject({
        code: 'database-full',
        hint: expect.stringMatching(/^free disk space /),
      });
      disk.free();
      expect(await keyturn(['rotate', ...all, ...pace], { cwd: dir })).toMatchObject({ code: 0 });
      expect(await expectMany(sqlite, newKey(), many)).toEqual([]);
    },
  );

  /** A link in place of its folder puts a database of the shared server on a disk of its own. */
  needing('mariadb-server').test(
    'a full disk of MariaDB stops the run too, whether files cannot be created or cannot grow',
    async () => {
      const world = await createMysqlDatabase();
      try {
        const [at] = await world.exec('select @@datadir as data, database() as name');
        const folder = join(String(at?.data), String(at?.name));
        disk.close();
        disk = smallDisk(disk.path, 8 * 1024 * 1024) as SmallDisk;
        const { uid, gid } = statSync(folder);
        const there = join(disk.path, 'database');
        mkdirSync(there);
        for (const path of [dir, disk.path, there]) chownSync(path, uid, gid);
        rmSync(folder, { recursive: true });
        symlinkSync(there, folder);
        const larger = { ...many, credentials: 1500 };
        const mariadb = await manyElsewhere(world.url, larger);
        const { all } = rotation(dir, mariadb, many.instanceKey);
        const args = ['rotate', ...all, '--chunk-rows', '50', '--workers', '1'];
        for (const kib of [0, 150, 230]) {
          disk.fill(kib * 1024);
          const stopped = await keyturn(args, { cwd: dir });
          expect({ kib, ...stopped }).toMatchObject({
            code: 3,
            stderr: expect.stringMatching(/disk is full/),
          });
          disk.free();
        }
        expect(await keyturn(args, { cwd: dir })).toMatchObject({ code: 0 });
        expect(await expectMany(mariadb, newKey(), larger)).toEqual([]);
      } finally {
        await world.close();
      }
    },
  );

  test('a verification without room for its own tables reports it and leaves no files', async () => {
    const { all } = rotation(dir, place, many.instanceKey);
    expect(await keyturn(['rotate', ...all], { cwd: dir })).toMatchObject({ code: 0 });
    for (const room of [0, 40]) {
      disk.fill(room * 1024);
      const args = ['verify', '--job', 'n8n', '--database', place.url, '--current-key-file', 'new.masterkey'];
      const ended = await keyturn(args, { cwd: dir, env: { TMPDIR: disk.path } });
      expect(ended).toMatchObject({ code: 3 });
      expect(ended.stderr).toMatch(/disk is full/);
      expect(readdirSync(disk.path)).toEqual(['filler']);
      disk.free();
    }
  });

  test('a log that cannot be written does not end the run', async () => {
    const { all } = rotation(dir, place, many.instanceKey);
    disk.fill();
    const log = ['--log-file', join(disk.path, 'keyturn.log'), '--log-level', 'debug'];
    const ended = await keyturn(['rotate', ...all, ...log], { cwd: dir });
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stderr.match(/the log can no longer be written to .*: ENOSPC/g)).toHaveLength(1);
    expect(await expectMany(place, newKey(), many)).toEqual([]);
  });
});

async function expectReportLater(): Promise<void> {
  const later = await keyturn(['report', '--database', place.url, '--report-dir', 'later'], { cwd: dir });
  expect(later).toMatchObject({ code: 0 });
  const { verdict } = JSON.parse(readFileSync(join(dir, 'later', 'report.json'), 'utf8'));
  expect(verdict).toMatchObject({ result: 'verified' });
}
