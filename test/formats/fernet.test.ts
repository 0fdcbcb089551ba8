import { describe, expect, test } from '@jest/globals';
import { fernet } from '../../src/formats/fernet.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { openOne, plainOf } from './opening.ts';
import { vectors } from './vectors.ts';

const made = vectors('fernet', ['key', 'plain', 'token', 'time']);
const invalid = vectors('fernet-invalid', ['key', 'token']);

function ringOf(key: string): Keyring {
  return new Keyring(Key.fromBytes(Buffer.from(key, 'base64url'), key));
}

/** Seconds since 1970. */
function timeOf(token: string): number {
  return Number(Buffer.from(token, 'base64url').readBigUInt64BE(1));
}

const ring = new Keyring(Key.fromBytes(Buffer.alloc(32, 7)));
const next = new Keyring(Key.fromBytes(Buffer.alloc(32, 8)));

test.each(made)("opens what Python's cryptography encrypted: $name", ({ key, plain, token }) => {
  const keys = ringOf(key);
  expect(openOne(fernet, token, keys)).toEqual({ plain: Buffer.from(plain, 'base64'), key: keys.primary });
  expect(openOne(fernet, token, ring)).toBe('closed');
});

test.each(invalid)('an invalid token does not open: $name', ({ key, token }) => {
  expect(['closed', 'foreign']).toContain(openOne(fernet, token, ringOf(key)));
});

test.each(made)('a token that is sealed again keeps its time and length: $name', ({ key, token, time }) => {
  const opening = openOne(fernet, token, ringOf(key));
  if (typeof opening === 'string') throw new Error(opening);
  const [again = ''] = fernet.seal([opening.plain], next, [token]);
  expect(timeOf(again)).toBe(Number(time));
  expect(again).toHaveLength(token.length);
  expect(again).not.toBe(token);
  expect(openOne(fernet, again, next)).toEqual({ plain: opening.plain, key: next.primary });
});

test('a new token has the current time', () => {
  const before = Math.floor(Date.now() / 1000);
  const [token = ''] = fernet.seal([Buffer.from('new')], ring, ['']);
  expect(timeOf(token)).toBeGreaterThanOrEqual(before);
  expect(timeOf(token)).toBeLessThanOrEqual(Date.now() / 1000);
});

describe('a token written without padding', () => {
  const [padded = ''] = fernet.seal([Buffer.from('x')], ring, ['']);
  const bare = padded.replace(/=+$/, '');

  test('opens, and is sealed again without padding', () => {
    expect(bare).not.toBe(padded);
    expect(plainOf(openOne(fernet, bare, ring))).toBe('x');
    expect(
      fernet.seal([Buffer.from('y'), Buffer.from('y')], next, [bare, padded]).map((it) => it.length),
    ).toEqual([bare.length, padded.length]);
  });

  test('half of the padding is invalid', () => {
    const two = [0, 16, 32]
      .flatMap((length) => fernet.seal([Buffer.alloc(length)], ring, ['']))
      .find((token) => token.endsWith('=='));
    expect(openOne(fernet, two?.slice(0, -1) ?? '', ring)).toBe('closed');
  });
});

test.each(['', 'clear text', 'eyJhbGciOiJIUzI1NiJ9.e30.x', 'gAAAA', Buffer.alloc(73).toString('base64url')])(
  '"%s" is foreign',
  (text) => {
    expect(openOne(fernet, text, ring)).toBe('foreign');
  },
);

test('a token with any single bit changed is closed', () => {
  const [token = ''] = fernet.seal([Buffer.from('a secret')], ring, ['']);
  const bytes = Buffer.from(token, 'base64url');
  for (let bit = 8; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
    const text = changed.toString('base64url').padEnd(token.length, '=');
    expect(openOne(fernet, text, ring)).toBe('closed');
  }
});

test('a batch keeps its order, whatever other values it contains', () => {
  const [a = '', b = ''] = fernet.seal([Buffer.from('a'), Buffer.from('b')], ring, []);
  expect(fernet.open([a, 'clear', `${b}x`, b, a], ring).map(plainOf)).toEqual([
    'a',
    'foreign',
    'closed',
    'b',
    'a',
  ]);
});

test('the length of a token is known in advance', () => {
  for (let length = 0; length < 70; length++) {
    expect(fernet.seal([Buffer.alloc(length)], ring, [''])[0]).toHaveLength(fernet.sealedLength(length));
  }
});

test('a key of another length is refused', () => {
  const short = new Keyring(Key.fromBytes(Buffer.alloc(16)));
  expect(() => fernet.open(['x'], short)).toThrow(expect.objectContaining({ code: 'key-shape' }));
});

test('tokens are searched for by their beginning', () => {
  const [prefix = ''] = fernet.prefixes(ring);
  expect(made.every(({ token }) => token.startsWith(prefix))).toBe(true);
  expect(fernet.isEmpty('')).toBe(true);
  expect(fernet.authenticated).toBe(true);
});
