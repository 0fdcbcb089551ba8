import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  base64Standard,
  base64Url,
  decodeBase64,
  decodeUnpaddedBase64,
  encodeBase64,
  encodeUnpaddedBase64,
} from '../../src/formats/base64.ts';
import { fernet } from '../../src/formats/fernet.ts';
import { type BulkCipher, bulkClosed, bulkForeign, bulkSlow } from '../../src/formats/format.ts';
import { octopus } from '../../src/formats/octopus.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { bytesAt, startsOf, textAt, textsOf } from '../../src/texts.ts';

const [one, other] = [1, 2].map((byte) => new Keyring(Key.fromBytes(Buffer.alloc(32, byte)))) as [
  Keyring,
  Keyring,
];
const bytes = fc.uint8Array({ maxLength: 100 }).map((all) => Buffer.from(all));

describe.each([
  ['octopus', octopus],
  ['fernet', fernet],
] as const)('values of %s in bulk', (_, format) => {
  const bulk = format.bulk as BulkCipher;
  const sealed = (ring: Keyring) => bytes.map((plain) => format.seal([plain], ring, [''])[0] ?? '');
  const value = fc.oneof(
    sealed(one),
    sealed(other),
    sealed(one).map((text) => text.replace(/=+$/, '')),
    sealed(one).map((text) => text.replace(/=$/, 'A')),
    sealed(one).map((text) => text.slice(0, -1)),
    fc.tuple(sealed(one), fc.nat()).map(([text, at]) => {
      const place = at % text.length;
      return `${text.slice(0, place)}${text[place] === 'B' ? 'C' : 'B'}${text.slice(place + 1)}`;
    }),
    fc.string({ unit: fc.constantFrom(...'AZ09+/-_=|ä') }),
    fc.constantFrom('', null, 'gAAAAA', 'gAAAAABm'),
  );

  test('are opened, closed or foreign, as one by one', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 30 }), (texts) => {
        const opened = bulk.open(textsOf(texts), one);
        const expected = format.open(
          texts.map((text) => text ?? ''),
          one,
        );
        expected.forEach((opening, i) => {
          if (typeof opening === 'object') expect(bytesAt(opened, i)).toEqual(opening.plain);
          else expect(opened.lengths[i]).toBe(opening === 'closed' ? bulkClosed : bulkForeign);
        });
      }),
      { numRuns: 400 },
    );
  });

  test('are left to the slow way if they are long', () => {
    const [long = '', short = ''] = format.seal([Buffer.alloc(5000, 'x'), Buffer.from('x')], one, ['', '']);
    const { lengths } = bulk.open(textsOf([long, short]), one);
    expect([...lengths]).toEqual([bulkSlow, 1]);
  });

  test('that are encrypted open one by one, in order, and are spelled as before', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(bytes, fc.boolean()), { maxLength: 40 }), (all) => {
        const plains = all.map(([plain]) => plain);
        const lengths = Int32Array.from(plains, ({ length }) => length);
        const plain = { bytes: Buffer.concat(plains), starts: startsOf(lengths), lengths };
        const before = format.seal(plains, one, []);
        const like = before.map((text, i) =>
          format === fernet && all[i]?.[1] === true ? text.replace(/=+$/, '') : text,
        );
        const after = bulk.seal(plain, other, textsOf(like));
        const texts = plains.map((_, i) => textAt(after, i) ?? '');
        expect(format.open(texts, other)).toEqual(
          plains.map((each) => ({ plain: each, key: other.primary })),
        );
        expect(texts.map(({ length }) => length)).toEqual(like.map(({ length }) => length));
        expect(new Set(texts).size).toBe(plains.length);
        if (format === fernet)
          expect(texts.map((text) => text.slice(0, 12))).toEqual(like.map((text) => text.slice(0, 12)));
      }),
      { numRuns: 100 },
    );
  });
});

describe.each([
  ['base64', base64Standard],
  ['base64url', base64Url],
] as const)('%s within a buffer', (name, alphabet) => {
  const padded = (plain: Buffer): string => {
    const text = plain.toString(name);
    return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
  };
  const unpadded = (plain: Buffer): string => plain.toString(name).replace(/=+$/, '');

  test.each([
    ['padded', padded, encodeBase64, decodeBase64],
    ['unpadded', unpadded, encodeUnpaddedBase64, decodeUnpaddedBase64],
  ] as const)('is what Node makes of it, at any offset, %s', (_, spelled, encode, decode) => {
    fc.assert(
      fc.property(bytes, fc.nat(7), (plain, at) => {
        const text = Buffer.alloc(at + 140, '~');
        const from = Buffer.concat([Buffer.alloc(at), plain]);
        const length = encode(from, at, plain.length, text, at, alphabet);
        expect(text.toString('latin1', at, at + length)).toBe(spelled(plain));
        const back = Buffer.alloc(at + 110);
        expect(decode(text, at, length, back, at, alphabet)).toBe(plain.length);
        expect(back.subarray(at, at + plain.length)).toEqual(plain);
      }),
    );
  });

  test('is decoded only if it is canonical', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABQgwZ9+/=-_ \n'), maxLength: 12 }), (text) => {
        const decoded = Buffer.from(text, name);
        const length = (decode: typeof decodeBase64): number =>
          decode(Buffer.from(text), 0, text.length, Buffer.alloc(20), 0, alphabet);
        expect(length(decodeBase64)).toBe(padded(decoded) === text ? decoded.length : -1);
        expect(length(decodeUnpaddedBase64)).toBe(unpadded(decoded) === text ? decoded.length : -1);
      }),
      { numRuns: 2000 },
    );
  });
});
