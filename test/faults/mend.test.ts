import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { keyturn, rotation } from '../support/cli.ts';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { sqliteFixture } from '../support/n8n/fixture.ts';
import { expectMany, manyPostgres } from '../support/n8n/many.ts';
import { withStore } from '../support/n8n/store.ts';
import { expectEverySecret, truthOf } from '../support/n8n/truth.ts';
import { createDatabase } from '../support/postgres.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-mend-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

test('a value that was changed under the new key fails the verification, which names it, until it is restored', async () => {
  const place = sqliteFixture('legacy-sqlite', dir);
  const truth = truthOf('legacy-sqlite');
  const { all, keys } = rotation(dir, place, truth.instanceKey);
  await keyturn(['rotate', ...all], { cwd: dir, killAt: 'verify:1' });
  const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
  const [id = ''] = [...truth.credentials.keys()].sort();
  const stored = await withStore(place, async (store) => {
    const [row] = await store.rows('select data from credentials_entity where id = ?', [id]);
    const other = sealLegacy('{"password":"somebody else\'s"}', newKey);
    await store.run('update credentials_entity set data = ? where id = ?', [other, id]);
    return String(row?.data);
  });

  for (let tries = 0; tries < 2; tries++) {
    const failed = await keyturn(['resume', ...keys], { cwd: dir });
    expect(failed).toMatchObject({ code: 5 });
    expect(failed.stderr).toContain(`1 row differs from before the rotation: credentials_entity ${id}`);
  }

  await withStore(place, (store) =>
    store.run('update credentials_entity set data = ? where id = ?', [stored, id]),
  );
  expect(await keyturn(['resume', ...keys], { cwd: dir })).toMatchObject({ code: 0 });
  expect(await expectEverySecret(place, newKey, truth)).toEqual([]);
});

test('keyturn reconnects to a database that ends every connection, and continues the run by itself', async () => {
  const many = { credentials: 6_000, instanceKey: 'the old key of many credentials' };
  const database = await createDatabase();
  const place = await manyPostgres(database.url, many);
  const { all } = rotation(dir, place, many.instanceKey);
  const endSessions = `select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'keyturn%' and pid <> pg_backend_pid()`;
  // Held in the middle, so that the run cannot finish before its connections are ended
  const hold = join(dir, 'hold');
  writeFileSync(hold, '');
  const ended = await keyturn(['rotate', ...all, '--throttle', `file=${hold}`], {
    cwd: dir,
    when: [/state=rotating/, () => void database.exec(endSessions).then(() => rmSync(hold))],
  });
  expect(ended).toMatchObject({ code: 0 });
  const history = await database.exec('select event from keyturn_event order by seq');
  expect(history.map(({ event }) => event)).toContain('resumed');
  const newKey = readFileSync(join(dir, 'new.masterkey'), 'utf8').trim();
  expect(await expectMany(place, newKey, many)).toEqual([]);
  await database.close();
});
