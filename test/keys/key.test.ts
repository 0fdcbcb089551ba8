import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { Key } from '../../src/keys/key.ts';

/** Of fixtures/n8n/legacy-sqlite, throwaway. Ids by python: hashlib.scrypt(key, salt=b'keyturn/key-id/v1', n=2**15, r=8, p=1, dklen=8). */
const text = 'Zk3yLegacyInstanceKey0123456789ab';
const textId = '5c49fd02b77ed2c2';
const bytes = Uint8Array.from({ length: 32 }, (_, i) => i);
const bytesId = 'df9e0e1985978a8a';

describe('a key', () => {
  test('has the id that Python computes, from the UTF-8 of text and from raw bytes', () => {
    expect(Key.fromText(text).id).toBe(textId);
    expect(Key.fromBytes(bytes).id).toBe(bytesId);
  });

  const key = Key.fromText(text);
  test.each<[string, () => string]>([
    ['inspect', () => inspect(key)],
    [
      'inspect with everything shown',
      () => inspect({ key }, { showHidden: true, depth: Infinity, customInspect: true }),
    ],
    ['inspect without its own method', () => inspect(key, { showHidden: true, customInspect: false })],
    ['JSON', () => JSON.stringify({ key })],
    ['String', () => String(key)],
    ['a template', () => `${key}`],
    ['concatenation', () => `x${key}`],
    ['its properties', () => JSON.stringify({ ...key })],
    ['an error', () => String(new Error(`${key}`).stack)],
  ])('does not show in %s', (_where, show) => {
    const shown = show();
    for (const form of ['utf8', 'base64', 'hex'] as const) {
      expect(shown).not.toContain(Buffer.from(text).toString(form));
    }
  });

  test('shows its id instead', () => {
    expect([inspect(key), String(key), JSON.stringify(key)]).toEqual([
      `[key ${textId}]`,
      `[key ${textId}]`,
      `"[key ${textId}]"`,
    ]);
  });

  test('equals a key with the same bytes and no other', () => {
    expect(key.equals(Key.fromBytes(Buffer.from(text)))).toBe(true);
    expect(key.equals(Key.fromText(`${text}c`))).toBe(false);
    expect(key.equals(Key.fromText(`${text.slice(0, -1)}c`))).toBe(false);
  });

  test('keeps its text form', () => {
    expect(Key.fromBytes(bytes).text).toBe(Buffer.from(bytes).toString('base64'));
    expect(Key.fromBytes(bytes, '00-01').text).toBe('00-01');
    expect(Key.fromText(text).text).toBe(text);
  });

  test('does not change with the array that it was created from', () => {
    const mine = Uint8Array.from(bytes);
    const made = Key.fromBytes(mine);
    mine.fill(0);
    expect(made.equals(Key.fromBytes(bytes))).toBe(true);
  });

  test('knows whether it is text or bytes, however the bytes were written', () => {
    expect([
      Key.fromText(text).isText,
      Key.fromBytes(bytes).isText,
      Key.fromBytes(bytes, 'ff').isText,
    ]).toEqual([true, false, false]);
  });
});
