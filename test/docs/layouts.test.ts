import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Sqlite from 'better-sqlite3';
import {
  type Cipher,
  cbcParts,
  cryptoJsCipher,
  fernetCipher,
  gcmParts,
  laravelCipher,
} from '../support/applications/ciphers.ts';
import { keyturn } from '../support/cli.ts';

const page = readFileSync(new URL('../../docs/your-own-application.md', import.meta.url), 'utf8');

/** The job that the page gives for a layout. */
function jobOf(heading: string): string {
  const section = page.split('\n### ').find((each) => each.startsWith(heading));
  const yaml = /```yaml\n(?<yaml>[^`]*)```/.exec(section ?? '')?.groups?.yaml;
  if (yaml === undefined) throw new Error(`no job below ${heading}`);
  return yaml;
}

const fernetKey = (): string => `${randomBytes(32).toString('base64url')}=`;
const laravelKey = (): string => `base64:${randomBytes(32).toString('base64')}`;

interface Layout {
  readonly heading: string;
  /** The current key, and older ones. */
  readonly keys: () => readonly string[];
  readonly cipher: (key: string) => Cipher;
}

const layouts: readonly Layout[] = [
  {
    heading: 'Hex `iv:ciphertext`',
    keys: () => [randomBytes(16).toString('hex')],
    cipher: (key) => cbcParts(Buffer.from(key, 'latin1'), 'hex', ':'),
  },
  {
    heading: 'Hex `iv:tag:ciphertext`',
    keys: () => [randomBytes(32).toString('hex')],
    cipher: (key) => gcmParts(Buffer.from(key, 'hex'), ['iv', 'tag', 'sealed'], { encoding: 'hex', by: ':' }),
  },
  {
    heading: 'MultiFernet',
    keys: () => [fernetKey(), fernetKey(), fernetKey()],
    cipher: (key) => fernetCipher(Buffer.from(key, 'base64url')),
  },
  {
    heading: 'CryptoJS',
    keys: () => [randomBytes(12).toString('base64')],
    cipher: cryptoJsCipher,
  },
  {
    heading: 'Laravel',
    keys: () => [laravelKey(), laravelKey()],
    cipher: (key) => laravelCipher(key, 'cbc'),
  },
];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-layouts-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each(layouts)('the job that the page gives for $heading rotates such values', async (layout) => {
  const { heading, keys, cipher } = layout;
  const old = keys();
  writeFileSync(join(folder, 'job.yaml'), jobOf(heading));
  writeFileSync(join(folder, 'old.key'), old.join(','), { mode: 0o600 });
  const database = new Sqlite(join(folder, 'app.sqlite'));
  database.exec('create table accounts (id integer primary key, secret text)');
  for (let id = 1; id <= 30; id++)
    database
      .prepare('insert into accounts values (?, ?)')
      .run(id, cipher(old[id % old.length] as string).seal(`secret ${id}`));
  database.close();

  const { code, stderr } = await keyturn(
    [
      ...['rotate', '--job', 'job.yaml', '--database', 'sqlite:app.sqlite'],
      ...['--current-key-file', 'old.key', '--new-key-file', 'new.key'],
      ...['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'],
    ],
    { cwd: folder },
  );

  expect([code, stderr]).toEqual([0, expect.anything()]);
  const fresh = cipher(readFileSync(join(folder, 'new.key'), 'utf8').trim());
  const after = new Sqlite(join(folder, 'app.sqlite'), { readonly: true });
  const rows = after.prepare('select id, secret from accounts').all() as { id: number; secret: string }[];
  after.close();
  expect(rows.map(({ secret }) => fresh.open(secret))).toEqual(rows.map(({ id }) => `secret ${id}`));
});
