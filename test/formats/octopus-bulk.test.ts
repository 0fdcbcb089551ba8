import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase64, encodeBase64 } from '../../src/formats/base64.ts';
import { bulkClosed, bulkForeign, bulkSlow } from '../../src/formats/format.ts';
import { octopus } from '../../src/formats/octopus.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { bytesAt, textAt, textsOf } from '../../src/texts.ts';

const { bulk } = octopus;
if (bulk === undefined) throw new Error('octopus has no bulk cipher');

const ringOf = (byte: number, length: number): Keyring =>
  new Keyring(Key.fromBytes(Buffer.alloc(length, byte)));
const [one, other] = [ringOf(1, 32), ringOf(2, 16)];

const bytes = fc.uint8Array({ maxLength: 100 }).map((all) => Buffer.from(all));
const value = fc.oneof(
  bytes.map((plain) => octopus.seal([plain], one, [''])[0] ?? ''),
  bytes.map((plain) => octopus.seal([plain], other, [''])[0] ?? ''),
  fc.string({ unit: fc.constantFrom(...'AZ09+/=|ä') }),
  bytes.map((plain) => (octopus.seal([plain], one, [''])[0] ?? '').replace(/=$/, 'A')),
  bytes.map((plain) => (octopus.seal([plain], one, [''])[0] ?? '').slice(0, -1)),
  fc.constantFrom('', null),
);

describe('values that are decrypted in bulk', () => {
  test('are opened, closed or foreign, as one by one', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 30 }), (sealed) => {
        const opened = bulk.open(textsOf(sealed), one);
        const expected = octopus.open(
          sealed.map((text) => text ?? ''),
          one,
        );
        expected.forEach((opening, i) => {
          if (typeof opening === 'object') expect(bytesAt(opened, i)).toEqual(opening.plain);
          else expect(opened.lengths[i]).toBe(opening === 'closed' ? bulkClosed : bulkForeign);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('are left to the slow way if they are long', () => {
    const [long = ''] = octopus.seal([Buffer.alloc(5000, 'x')], one, ['']);
    const [short = ''] = octopus.seal([Buffer.from('x')], one, ['']);
    const { lengths } = bulk.open(textsOf([long, short]), one);
    expect([...lengths]).toEqual([bulkSlow, 1]);
  });
});

test('values that are encrypted in bulk open one by one, in order', () => {
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 40 }), (plains) => {
      const lengths = Int32Array.from(plains, ({ length }) => length);
      const starts = Int32Array.from(plains, (_, i) =>
        plains.slice(0, i).reduce((sum, each) => sum + each.length, 0),
      );
      const plain = { bytes: Buffer.concat(plains), starts, lengths };
      const sealed = bulk.seal(plain, other, plain);
      const texts = plains.map((_, i) => textAt(sealed, i) ?? '');
      const opened = octopus
        .open(texts, other)
        .map((opening) => typeof opening === 'object' && opening.plain);
      expect(opened).toEqual(plains);
      expect(new Set(texts.map((text) => text.split('|')[1])).size).toBe(plains.length);
    }),
    { numRuns: 100 },
  );
});

describe('base64 within a buffer', () => {
  test('is what Node makes of it, at any offset', () => {
    fc.assert(
      fc.property(bytes, fc.nat(7), (plain, at) => {
        const text = Buffer.alloc(at + 140, '~');
        const length = encodeBase64(Buffer.concat([Buffer.alloc(at), plain]), at, plain.length, text, at);
        expect(text.toString('latin1', at, at + length)).toBe(plain.toString('base64'));
        const back = Buffer.alloc(at + 110);
        expect(decodeBase64(text, at, length, back, at)).toBe(plain.length);
        expect(back.subarray(at, at + plain.length)).toEqual(plain);
      }),
    );
  });

  test('is decoded only if it is canonical', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABQgwZ9+/=-_ \n'), maxLength: 12 }), (text) => {
        const decoded = Buffer.from(text, 'base64');
        const isCanonical = text.length % 4 === 0 && decoded.toString('base64') === text;
        const length = decodeBase64(Buffer.from(text), 0, text.length, Buffer.alloc(20), 0);
        expect(length).toBe(isCanonical ? decoded.length : -1);
      }),
      { numRuns: 2000 },
    );
  });
});
