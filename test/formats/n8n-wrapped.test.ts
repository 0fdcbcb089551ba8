import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { n8nWrapped } from '../../src/formats/n8n-wrapped.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { N8nFixture } from './n8n-fixture.ts';
import { openOne, plainOf } from './opening.ts';

const ring = new Keyring(Key.fromText('instance key'), [['legacy', Key.fromText('never used here')]]);
const wrong = new Keyring(Key.fromText('another key'));
// Of four blocks in the CBC form: that garbage is UTF-8 throughout has a chance of 1 in 10^18
const secret = Buffer.from('secret'.repeat(8));
const [gcm = '', cbc = ''] = n8nWrapped.seal([secret, secret], ring, ['AQ', 'U2FsdGVkX1']);

describe.each(['legacy-sqlite', 'mixed-sqlite'] as const)('deployment_key as n8n wrote it in %s', (name) => {
  const fixture = new N8nFixture(name);
  afterAll(() => fixture.close());

  test('every wrapped row opens to its known plaintext with the instance key, and none with another key', () => {
    const { deploymentKeys } = fixture;
    const sealed = deploymentKeys.map((row) => row.sealed);
    expect(sealed).toHaveLength(name === 'legacy-sqlite' ? 5 : 6);
    const instance = new Keyring(Key.fromText(fixture.instanceKey));
    expect(n8nWrapped.open(sealed, instance).map(plainOf)).toEqual(deploymentKeys.map(({ plain }) => plain));
    expect(n8nWrapped.open(sealed, wrong)).toEqual(sealed.map(() => 'closed'));
  });
});

test('both forms open with the master key alone', () => {
  for (const sealed of [gcm, cbc]) {
    expect(openOne(n8nWrapped, sealed, ring)).toEqual({ plain: secret, key: ring.primary });
    expect(openOne(n8nWrapped, sealed, wrong)).toBe('closed');
  }
});

test('plaintexts of any length open again from one batch, long ones before short ones', () => {
  const plain = [0, 975, 976, 5000, 3, 100_000, 17, 0].map((length) => Buffer.alloc(length, length % 251));
  const like = plain.map(() => 'AQ');
  expect(n8nWrapped.open(n8nWrapped.seal(plain, ring, like), ring).map(plainOf)).toEqual(
    plain.map((bytes) => plainOf({ plain: bytes, key: ring.primary })),
  );
});

test('sealing keeps the form', () => {
  expect(Buffer.from(gcm, 'base64')[0]).toBe(1);
  expect(Buffer.from(cbc, 'base64').toString('latin1', 0, 8)).toBe('Salted__');
});

test.each([
  [
    '64 hex characters, a data key of n8n 2.18',
    'b47fb7b64c81c095553f8f8963e61de7d2c13a0016375b1a407bc2a27d496718',
  ],
  ['hex that begins like the version byte', `AQ${'0'.repeat(62)}`],
  ['the instance key itself', 'instance key'],
  ['an instance id', '44e56c1028e74f8e58caf5955adf7d13f5f563d240e42e8fdfb15314e230d5f4'],
  ['a binary signing secret in clear', 'REAm5XtA7uuW11yDhsgghtjKHlzIqzRlM+wA13oQdTc='],
  ['JSON in clear', '{"kty":"RSA"}'],
  ['a layout of 48 bytes', Buffer.alloc(48, 1).toString('base64')],
  ['a layout of another version', Buffer.alloc(49, 2).toString('base64')],
  ['the layout with a line break', `${gcm}\n`],
  ['a value that names a data key', `abc:${gcm}`],
  ['nothing', ''],
])('%s is foreign', (_, text) => {
  expect(openOne(n8nWrapped, text, ring)).toBe('foreign');
});

test('a row with any single bit changed does not open', () => {
  const bytes = Buffer.from(gcm, 'base64');
  for (let bit = 8; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(openOne(n8nWrapped, changed.toString('base64'), ring)).toBe('closed');
  }
});

test('a truncated older row is closed and does not count as unencrypted', () => {
  expect(openOne(n8nWrapped, cbc.slice(0, -4), ring)).toBe('closed');
});

test('anything that is sealed opens to the same bytes, with any instance key', () => {
  const values = fc.array(fc.record({ text: fc.string({ unit: 'grapheme' }), older: fc.boolean() }));
  fc.assert(
    fc.property(values, fc.string({ unit: 'binary', minLength: 1 }), (secrets, key) => {
      const keys = new Keyring(Key.fromText(key));
      const plain = secrets.map(({ text }) => Buffer.from(text));
      const sealed = n8nWrapped.seal(
        plain,
        keys,
        secrets.map(({ older }) => (older ? cbc : gcm)),
      );
      const openings = n8nWrapped.open(sealed, keys);
      expect(openings.map((opening) => typeof opening === 'object' && opening.plain)).toEqual(plain);
      expect(sealed.map((text) => text.startsWith('U2FsdGVkX1'))).toEqual(secrets.map(({ older }) => older));
    }),
  );
});

test('no form is longer than the length that is known in advance', () => {
  for (let length = 0; length < 70; length++) {
    const plain = Buffer.alloc(length, 'x');
    const [newer = '', older = ''] = n8nWrapped.seal([plain, plain], ring, [gcm, cbc]);
    expect(newer).toHaveLength(n8nWrapped.sealedLength(length));
    expect(older.length).toBeLessThanOrEqual(newer.length);
  }
});

test('only an empty string is empty, and values cannot be searched for', () => {
  expect(['', 'AAAA', gcm].map((text) => n8nWrapped.isEmpty(text))).toEqual([true, false, false]);
  expect(n8nWrapped.prefixes(ring)).toEqual([]);
});
