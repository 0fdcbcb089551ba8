import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type BulkCipher, bulkClosed, bulkSlow } from '../../src/formats/format.ts';
import { n8n } from '../../src/formats/n8n.ts';
import { n8nWrapped } from '../../src/formats/n8n-wrapped.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { bytesAt, startsOf, textAt, textsOf } from '../../src/texts.ts';
import { openGcm, openLegacy, wrappingKey } from '../support/n8n/decrypt.ts';
import { sealGcm, sealLegacy, wrap } from '../support/n8n/encrypt.ts';

const passwords = ['the old key/0123456789+', 'der neue Schlüssel'] as const;
const [one, other] = passwords.map((text) => new Keyring(Key.fromText(text))) as [Keyring, Keyring];
/** Of one block and of many, and beyond what is encrypted without node:crypto. */
const plains = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'binary', minLength: 90, maxLength: 400 }),
);

const damaged = (sealed: fc.Arbitrary<string>) => [
  sealed.map((text) => text.replace(/=+$/, '')),
  sealed.map((text) => text.replace(/=$/, 'A')),
  sealed.map((text) => text.slice(0, -4)),
  fc.tuple(sealed, fc.nat()).map(([text, at]) => {
    const place = at % text.length;
    return `${text.slice(0, place)}${text[place] === 'B' ? 'C' : 'B'}${text.slice(place + 1)}`;
  }),
];

describe.each([
  {
    format: n8n,
    seal: sealLegacy,
    open: (text: string, password: string) => openLegacy(text, password),
    // Of the other form, and of no form at all
    slow: (text: string) => !text.startsWith('U2FsdGVkX1'),
  },
  {
    format: n8nWrapped,
    seal: wrap,
    open: (text: string, password: string) => openGcm(text, wrappingKey(password)),
    slow: (text: string) => Buffer.from(text, 'base64')[0] !== 1 || text.length < 68,
  },
])('values of $format.name in bulk', ({ format, seal, open, slow }) => {
  const bulk = format.bulk as BulkCipher;
  const sealed = (password: string) => plains.map((plain) => seal(plain, password));
  const value = fc.oneof(
    sealed(passwords[0]),
    sealed(passwords[1]),
    ...damaged(sealed(passwords[0])),
    plains.map((plain) => sealLegacy(plain, passwords[0])),
    // The application encrypts only UTF-8
    fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => sealLegacy(bytes, passwords[0])),
    plains.map((plain) => `dataKey1:${sealGcm(plain, Buffer.alloc(32, 1))}`),
    fc.constantFrom('', null, 'U2FsdGVkX1', 'U2FsdGVkX18=', 'text', 'AQ=='),
  );

  test('are opened or closed as one by one, or left to that way', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 30 }), (texts) => {
        const opened = bulk.open(textsOf(texts), one);
        const expected = format.open(
          texts.map((text) => text ?? ''),
          one,
        );
        texts.forEach((text, i) => {
          const opening = expected[i];
          const length = opened.lengths[i];
          if (text === null || text === '') expect(length).toBeLessThan(0);
          else if (length === bulkSlow) expect(slow(text) || typeof opening !== 'object').toBe(true);
          else if (typeof opening === 'object') expect(bytesAt(opened, i)).toEqual(opening.plain);
          else expect([opening, length]).toEqual(['closed', bulkClosed]);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('that are encrypted are decrypted by another implementation, each with a salt of its own', () => {
    fc.assert(
      fc.property(fc.array(plains, { maxLength: 40 }), (texts) => {
        const all = texts.map((text) => Buffer.from(text));
        const lengths = Int32Array.from(all, ({ length }) => length);
        const plain = { bytes: Buffer.concat(all), starts: startsOf(lengths), lengths };
        const after = bulk.seal(plain, other, textsOf(texts));
        const written = texts.map((_, i) => textAt(after, i) ?? '');
        expect(written.map((text) => open(text, passwords[1]).toString())).toEqual(all.map(String));
        expect(new Set(written).size).toBe(texts.length);
      }),
      { numRuns: 100 },
    );
  });

  test('are left to the slow way if they are long, or if values are to be under another key than the first', () => {
    const long = seal('x'.repeat(20_000), passwords[0]);
    expect([...bulk.open(textsOf([long]), one).lengths]).toEqual([bulkSlow]);
    if (format === n8n) {
      const only = one.with('data:k', Key.fromBytes(Buffer.alloc(32, 1))).narrowed('data:k');
      expect([...bulk.open(textsOf([seal('x', passwords[0])]), only).lengths]).toEqual([bulkSlow]);
    }
  });
});

test('a legacy key of the ring takes the place of the master key', () => {
  const ring = one.with('legacy', Key.fromText('a key of its own'));
  const bulk = n8n.bulk as BulkCipher;
  const opened = bulk.open(
    textsOf([sealLegacy('x', 'a key of its own'), sealLegacy('y', passwords[0], Buffer.alloc(8, 1))]),
    ring,
  );
  expect(textAt(opened, 0)).toBe('x');
  expect(opened.lengths[1]).toBe(bulkClosed);
});
