import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import { sealLegacy } from '../support/n8n/encrypt.ts';
import { consent, type Folder, keyturn, n8nFolder } from './keyturn.ts';

let folder: Folder;
beforeEach(() => {
  folder = n8nFolder();
});
afterEach(() => folder.remove());

function read(sql: string): string {
  const connection = new Sqlite(folder.database, { readonly: true });
  try {
    return connection.prepare<[], string>(sql).pluck().get() ?? '';
  } finally {
    connection.close();
  }
}

test('old ciphertext that is put back after a rotation, outside the fields of the job, is not verified', async () => {
  const cwd = folder.path;
  const old = read('select data from credentials_entity order by id limit 1');
  expect((await keyturn(['rotate', ...folder.rotation, ...consent], { cwd })).code).toBe(0);
  const verify = ['verify', '--database', folder.url, '--current-key-file', 'new.key'];
  expect((await keyturn(verify, { cwd })).code).toBe(0);

  folder.exec(
    `update credentials_entity set name = 'a copy: ${old}' where id = (select min(id) from credentials_entity)`,
  );
  const found = await keyturn(verify, { cwd });
  expect(found.code).toBe(5);
  expect(found.stdout.replace(/\s+/g, ' ')).toContain('credentials_entity.name (1 value that look');

  const exact = await keyturn([...verify, '--old-key-file', 'old.key'], { cwd });
  expect(exact.code).toBe(5);
  expect(exact.stdout.replace(/\s+/g, ' ')).toContain('still use the old key');

  writeFileSync(folder.file('other.key'), 'a key that decrypts nothing here', { mode: 0o600 });
  const none = await keyturn([...verify, '--old-key-file', 'other.key'], { cwd });
  expect({ code: none.code, stdout: none.stdout }).toMatchObject({ code: 0 });
});

test('old ciphertext that is put back among look-alikes is found with the old key', async () => {
  const cwd = folder.path;
  const old = read('select data from credentials_entity order by id limit 1');
  expect((await keyturn(['rotate', ...folder.rotation, ...consent], { cwd })).code).toBe(0);
  folder.exec(`pragma foreign_keys = off; insert into execution_data (executionId, workflowData, data)
    values (77, '{}', json_array('${old}', '${sealLegacy('a secret of a user', 'a password of the user')}'))`);
  const verify = ['verify', '--database', folder.url, '--current-key-file', 'new.key'];
  const exact = await keyturn([...verify, '--old-key-file', 'old.key'], { cwd });
  expect(exact.code).toBe(5);
  expect(exact.stdout.replace(/\s+/g, ' ')).toContain(
    'execution_data.data (1 value that still use the old key',
  );
});
