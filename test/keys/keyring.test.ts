import { describe, expect, test } from '@jest/globals';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';

const primary = Key.fromText('primary');
const legacy = Key.fromText('legacy');
const data = Key.fromText('data');

describe('a keyring', () => {
  test('finds its keys by name', () => {
    const ring = new Keyring(primary, [
      ['legacy', legacy],
      ['data:1', data],
    ]);
    expect(ring.primary).toBe(primary);
    expect(ring.named('legacy')).toBe(legacy);
    expect(ring.named('data:2')).toBeUndefined();
    expect(ring.names).toEqual(['legacy', 'data:1']);
  });

  test.each<[string, [string, Key][]]>([
    [
      'two keys of one name',
      [
        ['legacy', legacy],
        ['legacy', data],
      ],
    ],
    [
      'one key twice under one name',
      [
        ['legacy', legacy],
        ['legacy', legacy],
      ],
    ],
    ['a key without a name', [['', legacy]]],
    ['an empty key', [['legacy', Key.fromText('')]]],
  ])('refuses %s', (_what, named) => {
    expect(() => new Keyring(primary, named)).toThrow(expect.objectContaining({ code: 'source-key' }));
  });

  test('holds keys that are equal to its primary or named keys, and no other', () => {
    const ring = new Keyring(primary, [['legacy', legacy]]);
    expect(ring.holds(Key.fromText('primary'))).toBe(true);
    expect(ring.holds(Key.fromText('legacy'))).toBe(true);
    expect(ring.holds(data)).toBe(false);
    // The same bytes, used elsewhere: another key
    expect(ring.holds(Key.fromBytes(Buffer.from('primary')))).toBe(false);
  });

  test('does not change with what it was created from', () => {
    const named = new Map([['legacy', legacy]]);
    const ring = new Keyring(primary, named);
    named.set('data:1', data);
    expect(ring.names).toEqual(['legacy']);
  });
});
