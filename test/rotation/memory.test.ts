import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectMany, manySqlite } from '../support/n8n/many.ts';
import { withStore } from '../support/n8n/store.ts';
import { Places } from './places.ts';

const oldKey = 'the key before it';
const newKey = 'the key after it, of some length';
const credentials = 150_000;

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
  const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
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
