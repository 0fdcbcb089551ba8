import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Place, withStore } from '../support/n8n/store.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { countUnder, fillAddressBook, readAddressBook } from './address-book.ts';
import { consent, emptyFolder, type Folder, folderWith, keyturn } from './keyturn.ts';

/** A Fernet key with both characters in which base64url differs from base64. */
const oldKey = `-_${randomBytes(32).toString('base64url').slice(2, 42)}A=`;

let folder: Folder;
const databases: TestDatabase[] = [];
beforeEach(() => {
  folder = folderWith(emptyFolder().path, oldKey);
});
afterEach(async () => {
  for (const database of databases.splice(0)) await database.close();
  folder.remove();
});

async function placeOn(engine: 'sqlite' | 'postgres'): Promise<Place> {
  if (engine === 'sqlite') {
    writeFileSync(folder.database, '');
    return { url: folder.url };
  }
  const database = await createDatabase();
  databases.push(database);
  return { url: database.url };
}

test.each(['sqlite', 'postgres'] as const)(
  'the example job rotates its application on %s',
  async (engine) => {
    const place = await placeOn(engine);
    await fillAddressBook(place, oldKey);
    const before = await readAddressBook(place, oldKey);
    expect(before.secrets).toHaveLength(114 + 240);

    const at = ['--database', place.url];
    const old = ['--current-key-file', folder.file('old.key')];
    const plan = await keyturn(['plan', '--job', 'example', ...at, ...old], { cwd: folder.path });
    expect(plan).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/mailbox +120 rows\n +contact +150 rows/),
    });

    const keys = [...old, '--new-key-file', folder.file('new.key')];
    const rotated = await keyturn(['rotate', '--job', 'example', ...at, ...keys, ...consent], {
      cwd: folder.path,
    });
    expect({ code: rotated.code, stderr: rotated.stderr }).toMatchObject({ code: 0 });
    expect(rotated.stdout).toMatch(/^VERIFIED: /);
    expect(rotated.stdout).toContain('270 rows, 354 values rotated');
    expect(rotated.stdout).toContain(`Set ADDRESS_BOOK_KEY to the content of ${folder.file('new.key')}`);

    const newKey = folder.read('new.key');
    expect(newKey).toMatch(/^[A-Za-z0-9_-]{43}=$/);
    expect(await readAddressBook(place, newKey)).toEqual(before);
    expect(await countUnder(place, oldKey)).toBe(0);

    const verify = ['verify', ...at, '--current-key-file', folder.file('new.key')];
    expect(await keyturn(verify, { cwd: folder.path })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('270 proven unchanged'),
    });
  },
);

test('a token outside the declared fields is refused, even in the middle of a text', async () => {
  const place = await placeOn('sqlite');
  await fillAddressBook(place, oldKey);
  await withStore(place, async (store) => {
    const [{ password } = {}] = await store.rows("select password from mailbox where password like '%-%_%'");
    await store.run('update contact set name = ? where id = 7', [`see "${password}"!`]);
    await store.run('update contact set name = ? where id = 8', ['see gAAAAAB is no token']);
  });
  const at = ['--job', 'example', '--database', place.url, '--current-key-file', folder.file('old.key')];
  const hash = folder.hash();
  const rotated = await keyturn(['rotate', ...at, '--new-key-file', folder.file('new.key'), ...consent], {
    cwd: folder.path,
  });
  expect(rotated).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no field of the job declares: contact.name (1)'),
  });
  expect(folder.hash()).toBe(hash);
});

test('a key that is not a Fernet key is refused before anything else', async () => {
  const place = await placeOn('sqlite');
  await fillAddressBook(place, oldKey);
  const key = folder.file('other.key');
  for (const text of [
    Buffer.alloc(31).toString('base64url'),
    `${oldKey.slice(0, -1)}==`,
    oldKey.replace('-', '*'),
  ]) {
    writeFileSync(key, text);
    const planned = await keyturn([
      'plan',
      '--job',
      'example',
      '--database',
      place.url,
      '--current-key-file',
      key,
    ]);
    expect(planned).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected a key of 32 bytes, encoded as base64url'),
    });
    expect(planned.stderr).not.toContain(text);
  }
});

test.each([
  ['without its padding', oldKey.replace('=', '')],
  ['in the standard alphabet, as openssl writes it', oldKey.replaceAll('-', '+').replaceAll('_', '/')],
])('a key %s is the same key', async (_, text) => {
  const place = await placeOn('sqlite');
  await fillAddressBook(place, oldKey);
  writeFileSync(folder.file('bare.key'), text, { mode: 0o600 });
  const plan = ['plan', '--job', 'example', '--database', place.url, '--json', '--current-key-file'];
  const padded = await keyturn([...plan, folder.file('old.key')]);
  const bare = await keyturn([...plan, folder.file('bare.key')]);
  expect(JSON.parse(bare.stdout).keyId).toBe(JSON.parse(padded.stdout).keyId);
});
