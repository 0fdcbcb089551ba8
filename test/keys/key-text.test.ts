import { describe, expect, test } from '@jest/globals';
import { generateKey, parseKey, parseKeys } from '../../src/keys/key-text.ts';
import { fernet, hex, n8n, octopus } from './shapes.ts';

describe('a key of bytes', () => {
  test('is decoded, and keeps its text form', () => {
    const raw = Buffer.alloc(32, 0xa5);
    for (const [shape, text] of [
      [octopus, raw.toString('base64')],
      [fernet, raw.toString('base64url')],
      [fernet, `${raw.toString('base64url')}=`],
      [hex, raw.toString('hex')],
      [hex, raw.toString('hex').toUpperCase()],
    ] as const) {
      const key = parseKey(text, shape);
      expect(key.bytes.equals(raw)).toBe(true);
      expect(key.text).toBe(text);
    }
  });

  test('for Fernet may be in the standard alphabet, as for Python, but is not generated like that', () => {
    const raw = Buffer.from('fbff'.repeat(16), 'hex');
    const url = `${raw.toString('base64url')}=`;
    for (const text of [
      url,
      raw.toString('base64'),
      `${url.slice(0, 8)}${raw.toString('base64').slice(8)}`,
    ]) {
      expect(text).toMatch(/[-_+/]/);
      const key = parseKey(text, fernet);
      expect(key.bytes.equals(raw)).toBe(true);
      expect(key.text).toBe(text);
    }
    for (let i = 0; i < 20; i++) expect(generateKey(fernet).text).toMatch(/^[A-Za-z0-9_-]{43}=$/);
  });
});

describe('a list of keys', () => {
  const [a, b, c] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte).toString('base64url')) as [
    string,
    string,
    string,
  ];
  const laravel = {
    form: 'text',
    trim: 'quotes',
    list: true,
    generate: { bytes: 32, as: 'base64' },
  } as const;

  test('has the current key first, and each older key once', () => {
    const { key, others } = parseKeys(`${a},${b}, ${c},${a},\n`, fernet);
    expect([key, ...others].map(({ text }) => text)).toEqual([a, b, c]);
  });

  test('of text keys is read only where the application writes lists', () => {
    expect(parseKeys('"base64:x,base64:y"', laravel).others.map(({ text }) => text)).toEqual(['base64:y']);
    expect(parseKeys('a key, with a comma', n8n).key.text).toBe('a key, with a comma');
  });

  test('is not a new key', () => {
    expect(() => parseKey(`${a},${b}`, fernet, 'new.key')).toThrow(
      'new.key is a list of keys, expected one key',
    );
    expect(() => parseKey('x,y', laravel)).toThrow('is a list of keys');
  });

  test('names the key that is wrong', () => {
    expect(() => parseKeys(`${a},abcd`, fernet, 'old.key')).toThrow('key 2 in old.key is a 3-byte key');
    expect(() => parseKeys(' , ', fernet, 'old.key')).toThrow('old.key is a list of keys');
  });
});

describe('a generated key', () => {
  test.each([n8n, octopus, fernet, hex])('has the shape %j and is different every time', (shape) => {
    const key = generateKey(shape);
    expect(parseKey(key.text, shape).equals(key)).toBe(true);
    expect(generateKey(shape).equals(key)).toBe(false);
    expect(Buffer.from(key.text, shape.generate.as)).toHaveLength(shape.generate.bytes);
  });

  test('for Fernet has padding, or Python would reject it', () => {
    expect(generateKey(fernet).text).toMatch(/^[A-Za-z0-9_-]{43}=$/);
  });

  test('for n8n is 32 characters of base64, like those of n8n itself', () => {
    expect(generateKey(n8n).text).toMatch(/^[A-Za-z0-9+/]{32}$/);
  });
});
