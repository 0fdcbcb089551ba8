import { describe, expect, test } from '@jest/globals';
import { aesGcm, type FixedLayout } from '../../src/formats/aes-gcm.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { openOne, plainOf } from './opening.ts';
import { vectors } from './vectors.ts';

const made = vectors('aes-gcm', ['key', 'layout', 'plain', 'sealed']).map((vector) => ({
  ...vector,
  layout: vector.layout as unknown as FixedLayout,
}));

function ringOf(key: string, { key: how }: FixedLayout): Keyring {
  return new Keyring(how === 'raw' ? Key.fromBytes(Buffer.from(key, 'base64'), key) : Key.fromText(key));
}

const usual: FixedLayout = {
  layout: ['nonce 12', 'ciphertext', 'tag 16'],
  encoding: 'base64',
  prefix: '',
  separator: '',
  key: 'sha256',
  aad: '',
};
const ring = new Keyring(Key.fromText('the key'));

function sealOne(layout: FixedLayout, plain: string, like = ''): string {
  return aesGcm(layout).seal([Buffer.from(plain)], ring, [like])[0] ?? '';
}

test.each(made)("opens what Python's cryptography encrypted: $name", ({ key, layout, plain, sealed }) => {
  const keys = ringOf(key, layout);
  expect(openOne(aesGcm(layout), sealed, keys)).toEqual({
    plain: Buffer.from(plain, 'base64'),
    key: keys.primary,
  });
});

test.each(made)('sealing again keeps layout and length: $name', ({ key, layout, plain, sealed }) => {
  const keys = ringOf(key, layout);
  const format = aesGcm(layout);
  const bytes = Buffer.from(plain, 'base64');
  const [again = ''] = format.seal([bytes], keys, [sealed]);
  expect(again).not.toBe(sealed);
  expect(again).toHaveLength(sealed.length);
  expect(format.sealedLength(bytes.length)).toBe(sealed.length);
  expect(openOne(format, again, keys)).toEqual({ plain: bytes, key: keys.primary });
});

describe('a value does not open with', () => {
  test('any single bit changed', () => {
    const bytes = Buffer.from(sealOne(usual, 'a secret'), 'base64');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(openOne(aesGcm(usual), changed.toString('base64'), ring)).toBe('closed');
    }
  });

  test.each<[string, Partial<FixedLayout>]>([
    ['other additional data', { aad: 'b' }],
    ['another derivation', { key: { hkdf: { hash: 'sha256', salt: '', info: '', bytes: 32 } } }],
    ['another order', { layout: ['nonce 12', 'tag 16', 'ciphertext'] }],
    ['a shorter tag', { layout: ['nonce 12', 'ciphertext', 'tag 12'] }],
  ])('%s', (_, other) => {
    const sealed = sealOne({ ...usual, aad: 'a' }, 'a secret');
    expect(openOne(aesGcm({ ...usual, aad: 'a', ...other }), sealed, ring)).toBe('closed');
  });

  test('another key', () => {
    expect(openOne(aesGcm(usual), sealOne(usual, 'x'), new Keyring(Key.fromText('another')))).toBe('closed');
  });
});

describe('text of another layout', () => {
  const separated: FixedLayout = { ...usual, encoding: 'hex', separator: ':' };

  test.each<[string, FixedLayout, string]>([
    ['clear text', usual, 'hello, world'],
    ['one byte too short for nonce and tag', usual, Buffer.alloc(27).toString('base64')],
    ['a line break after it', usual, `${sealOne(usual, 'x')}\n`],
    ['the URL alphabet', usual, Buffer.alloc(30, 0xff).toString('base64url')],
    ['hex in mixed case', { ...usual, encoding: 'hex' }, `aA${'00'.repeat(28)}`],
    ['half a byte', { ...usual, encoding: 'hex' }, '0'.repeat(57)],
    ['a character that is not a byte', { ...usual, encoding: 'raw' }, 'Ā'.repeat(40)],
    ['two parts', separated, `${'00'.repeat(12)}:00`],
    ['four parts', separated, `${sealOne(separated, 'x')}:`],
    ['a nonce of another length', separated, `${'00'.repeat(11)}:00:${'00'.repeat(16)}`],
    ['no prefix', { ...usual, prefix: 'enc:' }, sealOne(usual, 'x')],
  ])('%s is foreign', (_, layout, text) => {
    expect(openOne(aesGcm(layout), text, ring)).toBe('foreign');
  });

  test('a truncated value with the prefix is closed, since it was a value', () => {
    const layout = { ...usual, prefix: 'enc:' };
    const sealed = sealOne(layout, 'x');
    expect(plainOf(openOne(aesGcm(layout), sealed, ring))).toBe('x');
    expect(openOne(aesGcm(layout), sealed.slice(0, -4), ring)).toBe('closed');
    expect(openOne(aesGcm(layout), sealed.slice(0, 12), ring)).toBe('closed');
  });
});

describe('the new value is written like the old one', () => {
  test.each(['base64', 'base64url'] as const)('%s with padding and without', (encoding) => {
    const layout = { ...usual, encoding };
    const padded = sealOne(layout, 'xx');
    const bare = padded.replace(/=+$/, '');
    expect(padded).toHaveLength(40);
    expect(plainOf(openOne(aesGcm(layout), bare, ring))).toBe('xx');
    expect(sealOne(layout, 'yy', padded)).toHaveLength(40);
    expect(sealOne(layout, 'yy', bare)).toHaveLength(bare.length);
  });

  test('hex in capitals', () => {
    const layout = { ...usual, encoding: 'hex', separator: ':' } as const;
    const capitals = sealOne(layout, 'a secret').toUpperCase();
    expect(plainOf(openOne(aesGcm(layout), capitals, ring))).toBe('a secret');
    const again = sealOne(layout, 'a secret', capitals);
    expect(again).toBe(again.toUpperCase());
  });
});

test('every value has its own nonce', () => {
  const sealed = aesGcm(usual).seal(Array<Buffer>(500).fill(Buffer.from('same')), ring, []);
  expect(new Set(sealed.map((text) => text.slice(0, 16))).size).toBe(500);
});

test('a raw key must have a length of AES; a derived key may have any', () => {
  const raw = aesGcm({ ...usual, key: 'raw' });
  expect(raw.keyLengths).toEqual([16, 24, 32]);
  expect(() => raw.seal([Buffer.of()], ring, [])).toThrow(expect.objectContaining({ code: 'key-shape' }));
  expect(aesGcm(usual).keyLengths).toBeUndefined();
});

test('values are searched for by their prefix if their text is one run of base64 or hex', () => {
  const prefixes = (layout: Partial<FixedLayout>) => aesGcm({ ...usual, ...layout }).prefixes(ring);
  expect(prefixes({})).toEqual([]);
  expect(prefixes({ prefix: 'enc:' })).toEqual(['enc:']);
  expect(prefixes({ prefix: 'enc:', separator: '.' })).toEqual([]);
  expect(prefixes({ prefix: 'enc:', encoding: 'raw' })).toEqual([]);
});
