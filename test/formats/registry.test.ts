import { expect, test } from '@jest/globals';
import { escaped } from '../../src/documents/json.ts';
import { formatNames, formatOf, programmedFormats } from '../../src/formats/registry.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';

const layout = {
  layout: ['nonce 12', 'ciphertext', 'tag 16'],
  encoding: 'base64',
  prefix: '',
  separator: '',
  key: { hkdf: { hash: 'sha256', salt: 's', info: 'i', bytes: 32 } },
  aad: '',
} as const;

test('every known name has a format', () => {
  expect(programmedFormats.map(({ name }) => name)).toEqual([
    'n8n',
    'n8n-wrapped',
    'octopus',
    'octopus-stream',
    'fernet',
  ]);
  expect(formatNames.length).toBeGreaterThan(30);
  expect(formatNames.map((name) => formatOf(name).name)).toEqual(formatNames);
});

test.each(['N8N', '', 'constructor', '__proto__', 'aes-gcm'])(
  'the unknown name "%s" is refused, with where the known ones are in the hint',
  (name) => {
    expect(() => formatOf(name)).toThrow(
      expect.objectContaining({
        code: 'job-invalid',
        exitCode: 2,
        hint: 'keyturn formats lists the known formats; aes-gcm and described need a layout',
      }),
    );
  },
);

test('a plaintext that is sealed with another key has the same length as before and needs no escapes', () => {
  const keyrings = [1, 2].map(
    (byte) =>
      new Keyring(Key.fromBytes(Buffer.alloc(32, byte)), [['data:a', Key.fromBytes(Buffer.alloc(32))]]),
  );
  const [old, next] = keyrings as [Keyring, Keyring];
  const formats = [...programmedFormats, formatOf({ 'aes-gcm': layout })];
  for (const format of formats)
    for (const like of ['', 'a:', 'U2FsdGVkX1']) {
      const plain = Array.from({ length: 70 }, (_, length) => Buffer.alloc(length));
      const sealed = format.seal(plain, old, Array(70).fill(like));
      const again = format.seal(plain, next, sealed);
      expect(again.map(({ length }) => length)).toEqual(sealed.map(({ length }) => length));
      if (format.carries === 'text') expect(escaped(again.join(''))).toBe(again.join(''));
    }
});

test('equal descriptions give the same object, in any order of their parts', () => {
  const format = formatOf({ 'aes-gcm': layout });
  expect(formatOf({ 'aes-gcm': structuredClone(layout) })).toBe(format);
  const { key, ...rest } = layout;
  const { bytes, ...hkdf } = key.hkdf;
  expect(formatOf({ 'aes-gcm': { key: { hkdf: { bytes, ...hkdf } }, ...rest } })).toBe(format);
});

test('different descriptions give different formats', () => {
  const described = [
    layout,
    { ...layout, layout: ['nonce 12', 'tag 16', 'ciphertext'] },
    { ...layout, prefix: 'a' },
    { ...layout, key: { hkdf: { ...layout.key.hkdf, info: 'j' } } },
    { ...layout, aad: 'a' },
  ];
  expect(new Set(described.map((it) => formatOf({ 'aes-gcm': it }))).size).toBe(described.length);
});
