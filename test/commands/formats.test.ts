import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { formatNames } from '../../src/formats/registry.ts';
import { keyturn } from '../support/cli.ts';

const { vectors } = JSON.parse(
  readFileSync(new URL('../vectors/foreign/php-illuminate-encryption.json', import.meta.url), 'utf8'),
);
const vector = vectors.find(
  (each: Record<string, unknown>) =>
    each.cipher === 'AES-256-CBC' && each.plaintext === 'hunter2' && each.serialize === false,
);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-formats-'));
  writeFileSync(join(folder, 'app.key'), vector.key, { mode: 0o600 });
  writeFileSync(join(folder, 'other.key'), `base64:${Buffer.alloc(32, 7).toString('base64')}`, {
    mode: 0o600,
  });
  writeFileSync(
    join(folder, 'format.yaml'),
    'format: { described: { separated: { by: ":", parts: [iv 16 hex, ciphertext hex] }, cipher: aes-256-cbc, key: [utf8, sha256] } }',
  );
  writeFileSync(
    join(folder, 'wrong.yaml'),
    'described: { parts: [nonce 12, ciphertext], cipher: aes-256-gcm }',
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const formats = (...words: string[]) => keyturn(['formats', ...words], { cwd: folder });
const tried = (...words: string[]) => formats('try', '--key-file', 'app.key', ...words);

test('keyturn formats list names every format', async () => {
  const { code, stdout } = await formats('list');
  expect(code).toBe(0);
  for (const name of formatNames) expect(stdout).toMatch(new RegExp(`^${name} `, 'm'));
});

describe('keyturn formats try', () => {
  test('finds the format of a value, and shows the plaintext only when asked to', async () => {
    const found = await tried(vector.ciphertext);
    expect([found.code, found.stdout]).toEqual([
      0,
      'value 1: laravel decrypts it with the key as text (7 bytes)\n',
    ]);
    const shown = await tried('--format', 'laravel', '--show', vector.ciphertext);
    expect(shown.stdout).toBe('value 1: laravel decrypts it with the key as text (7 bytes): hunter2\n');
    const json = await tried('--json', '--format', 'laravel', vector.ciphertext);
    expect(JSON.parse(json.stdout)).toMatchObject({ values: [[{ format: 'laravel', decrypts: true }]] });
    expect(json.stdout).not.toContain('hunter2');
  });

  test.each([
    ['base64', [`${'A'.repeat(9)}`], 'laravel: not canonical base64 (9 characters)'],
    [
      'the JSON',
      [Buffer.from('{"iv" : "x"}').toString('base64')],
      'laravel: JSON with white space or escapes that would not be kept',
    ],
    [
      'a part',
      [Buffer.from('{"iv":"AAAA"}').toString('base64')],
      'laravel: the member iv: 3 bytes where 16 are expected (iv 16)',
    ],
  ])('says that %s is what does not fit', async (_, values, expected) => {
    const { code, stdout } = await tried('--format', 'laravel', ...values);
    expect([code, stdout]).toEqual([3, `value 1: ${expected}\n`]);
  });

  test('says that the key is another one', async () => {
    const { code, stdout } = await formats(
      'try',
      '--key-file',
      'other.key',
      '--format',
      'laravel',
      vector.ciphertext,
    );
    expect([code, stdout]).toEqual([
      3,
      'value 1: laravel: the MAC does not match: another key, or damaged\n',
    ]);
    const all = await formats('try', '--key-file', 'other.key', vector.ciphertext);
    expect([all.code, all.stdout]).toEqual([3, 'value 1: no known format decrypts it with this key\n']);
  });

  test('takes a description from a file, and says what is wrong with it', async () => {
    const { code, stdout } = await tried('--format', 'format.yaml', '00:11');
    expect([code, stdout]).toEqual([
      3,
      'value 1: described: part 1 (iv): 1 bytes where 16 are expected (iv 16)\n',
    ]);
    const wrong = await tried('--format', 'wrong.yaml', 'x');
    expect([wrong.code, wrong.stderr]).toEqual([
      2,
      expect.stringContaining('"nonce" is not a part: known parts are iv,'),
    ]);
  });
});
