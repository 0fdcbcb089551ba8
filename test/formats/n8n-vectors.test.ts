import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { n8n } from '../../src/formats/n8n.ts';
import { n8nWrapped } from '../../src/formats/n8n-wrapped.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { openOne } from './opening.ts';
import { vectors } from './vectors.ts';

/** Ciphertexts between us and openssl's command line, Python's cryptography: both directions where they have a way. */

const cbc = vectors('n8n-cbc', ['key', 'plain', 'sealed']);
const gcm = vectors('n8n-gcm', ['id', 'dataKey', 'plain', 'sealed']);
const wrapped = vectors('n8n-wrapped', ['key', 'plain', 'sealed']);

test.each(cbc)('opens what openssl encrypted: $name', ({ key, plain, sealed }) => {
  const ring = new Keyring(Key.fromText(key));
  expect(openOne(n8n, sealed, ring)).toEqual({ plain: Buffer.from(plain, 'base64'), key: ring.primary });
  expect(openOne(n8nWrapped, sealed, ring)).toEqual({
    plain: Buffer.from(plain, 'base64'),
    key: ring.primary,
  });
});

test.each(gcm)(
  "opens what Python's cryptography encrypted with a data key: $name",
  ({ id, dataKey, plain, sealed }) => {
    const key = Key.fromBytes(Buffer.from(dataKey, 'hex'));
    const ring = new Keyring(Key.fromText('master'), [[`data:${id}`, key]]);
    expect(openOne(n8n, sealed, ring)).toEqual({ plain: Buffer.from(plain, 'base64'), key });
  },
);

test.each(wrapped)("unwraps what Python's cryptography wrapped: $name", ({ key, plain, sealed }) => {
  const ring = new Keyring(Key.fromText(key));
  expect(openOne(n8nWrapped, sealed, ring)).toEqual({
    plain: Buffer.from(plain, 'base64'),
    key: ring.primary,
  });
});

describe('the openssl command', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'keyturn-openssl-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** openssl takes the password's bytes from a file; ours are the low byte of every UTF-16 unit. */
  function openssl(key: string, input: Buffer, ...options: string[]): Buffer {
    const file = join(folder, 'password');
    writeFileSync(
      file,
      Buffer.from(Uint8Array.from({ length: key.length }, (_, i) => key.charCodeAt(i) & 0xff)),
    );
    const run = spawnSync(
      'openssl',
      ['enc', '-aes-256-cbc', '-md', 'md5', '-pass', `file:${file}`, '-base64', '-A', ...options],
      { input },
    );
    if (run.status !== 0) throw new Error(`openssl: ${run.error ?? run.stderr}`);
    return run.stdout;
  }

  const cases = ['an ordinary key', 'schlüssel-ß', 'key-Ω-🔑', 'k'.repeat(200)].flatMap((key) =>
    ['', '{"password":"pässwörd"}', 'x'.repeat(16), 'y'.repeat(300_000)].map((plain) => ({
      key,
      plain: Buffer.from(plain),
      name: `${plain.length} characters under a key of ${key.length}`,
    })),
  );

  test.each(cases)('opens what it encrypts: $name', ({ key, plain }) => {
    const ring = new Keyring(Key.fromText(key));
    const sealed = openssl(key, plain).toString('latin1').trim();
    expect(openOne(n8n, sealed, ring)).toEqual({ plain, key: ring.primary });
  });

  test.each(cases)('decrypts what keyturn seals: $name', ({ key, plain }) => {
    const [sealed = ''] = n8n.seal([plain], new Keyring(Key.fromText(key)), ['U2FsdGVkX1+']);
    expect(openssl(key, Buffer.from(sealed), '-d').equals(plain)).toBe(true);
  });
});
