import { describe, expect, test } from '@jest/globals';
import { generateKey, parseKey } from '../../src/keys/key-text.ts';
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
