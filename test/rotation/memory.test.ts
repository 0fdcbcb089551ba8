import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { KeyturnError } from '../../src/error.ts';
import { chunkBytesWithin, defaultChunkBytes } from '../../src/rotation/memory.ts';
import { expectMany, manySqlite } from '../support/n8n/many.ts';
import { withStore } from '../support/n8n/store.ts';
import { Places } from './places.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it, of some length';
const credentials = 150_000;
const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const preload = new URL('../support/peak-memory.mjs', import.meta.url).href;
const MB = 2 ** 20;

let places: Places;
beforeEach(() => {
  places = new Places();
});
afterEach(() => places.leave());

test('150,000 credentials are rotated and verified with heaps of 64 MB', async () => {
  const path = join(places.dir, 'database.sqlite');
  const place = manySqlite(path, { credentials, instanceKey: oldKey });
  writeFileSync(join(places.dir, 'old.key'), oldKey, { mode: 0o600 });
  writeFileSync(join(places.dir, 'new.key'), newKey, { mode: 0o600 });
  const args = [
    ...['--max-old-space-size=64', cli, 'rotate', '--job', 'n8n', '--database', `sqlite:${path}`],
    ...['--current-key-file', 'old.key', '--new-key-file', 'new.key', '--workers', '2'],
    ...['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'],
  ];
  await promisify(execFile)(process.execPath, args, { cwd: places.dir });
  await withStore(place, async (store) => {
    expect(await store.rows('select state from keyturn_run')).toEqual([{ state: 'verified' }]);
    const sums =
      "select sum(row_count) as read, sum(v_proven) as proven from keyturn_chunk where target = 'credentials_entity'";
    expect(await store.rows(sums)).toEqual([{ read: credentials, proven: credentials }]);
  });
  expect(await expectMany(place, newKey, { credentials })).toEqual([]);
}, 600_000);

describe('--memory', () => {
  /** The most memory that a rotation of 120 MB in values of 40 kB had. */
  async function peakOf(memory: number): Promise<number> {
    const place = manySqlite(join(places.dir, 'database.sqlite'), {
      ...{ credentials: 3_000, instanceKey: oldKey, bytes: 30_000 },
    });
    const peak = await peakWith([
      ...['rotate', '--database', place.url, '--new-key-file', 'new.key', '--workers', '2'],
      ...['--memory', `${memory / MB}MB`, '--force'],
      ...['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'],
    ]);
    await withStore(place, async (store) => {
      expect(await store.rows('select state from keyturn_run')).toEqual([{ state: 'verified' }]);
    });
    return peak;
  }

  test('bounds the memory of the whole process, with documents that would fill large chunks', async () => {
    expect(await peakOf(600 * MB)).toBeLessThan(600 * MB);
  }, 120_000);

  test('leaves less for a chunk with more threads, never more than 16 MB', () => {
    expect(chunkBytesWithin(null, 2)).toBe(defaultChunkBytes);
    expect(chunkBytesWithin(800 * MB, 2)).toBeGreaterThan(chunkBytesWithin(800 * MB, 3));
    expect(chunkBytesWithin(10_000 * MB, 2)).toBe(16 * MB);
    expect(chunkBytesWithin(600 * MB, 0)).toBe(chunkBytesWithin(600 * MB, 1));
  });

  test('is refused if it is too little for the threads, with what would be enough', () => {
    const refused = (): number => chunkBytesWithin(300 * MB, 4);
    expect(refused).toThrow('--memory 300MB is too little for 4 worker threads');
    const least = /--memory (\d+)MB/.exec(hintOf(refused))?.[1];
    expect(chunkBytesWithin(Number(least) * MB, 4)).toBeGreaterThanOrEqual(256 * 1024);
  });
});

test('what is looked at before a run does not grow with the number of large documents', async () => {
  // 400 MB in all; a value of 8 MB takes about 30 times its size
  const place = manySqlite(join(places.dir, 'database.sqlite'), {
    ...{ credentials: 50, instanceKey: oldKey, bytes: 6_000_000 },
  });
  const peak = await peakWith(['plan', '--database', place.url]);
  expect(peak).toBeLessThan(700 * MB);
}, 120_000);

/** The most memory that a command for n8n had. */
async function peakWith(words: readonly string[]): Promise<number> {
  writeFileSync(join(places.dir, 'old.key'), oldKey, { mode: 0o600 });
  const peak = join(places.dir, 'peak');
  const args = ['--import', preload, cli, ...words, '--job', 'n8n', '--current-key-file', 'old.key'];
  const env = { ...process.env, KEYTURN_TEST_PEAK_MEMORY: peak };
  await promisify(execFile)(process.execPath, args, { cwd: places.dir, env });
  return Number(readFileSync(peak, 'utf8'));
}

function hintOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as KeyturnError).hint ?? '';
  }
  return '';
}
