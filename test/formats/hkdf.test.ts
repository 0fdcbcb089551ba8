import { hkdfSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Hkdf } from '../../src/formats/hkdf.ts';
import { Random } from '../support/random.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** RFC 5869, appendix A.1 and A.3. */
test('derives the keys of the RFC', () => {
  const key = Buffer.alloc(22, 0x0b);
  const info = Buffer.from('f0f1f2f3f4f5f6f7f8f9', 'hex');
  expect(
    new Hkdf(key, info, 42).derive(Buffer.from('000102030405060708090a0b0c', 'hex')).toString('hex'),
  ).toBe('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
  expect(new Hkdf(key, Buffer.alloc(0), 42).derive(Buffer.alloc(0)).toString('hex')).toBe(
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
  );
});

test('derives the same as hkdfSync, for one salt after the other of any length', () => {
  const salts = fc.array(bytes(64), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(bytes(200), bytes(100), fc.nat(200), salts, (key, info, length, all) => {
      const hkdf = new Hkdf(key, info, length);
      for (const salt of all) {
        expect(hkdf.derive(salt).toString('hex')).toBe(plainly(key, info, length, salt));
      }
    }),
    { numRuns: 2000 },
  );
});

test('derives up to 255 hashes and no more', () => {
  const random = new Random('hkdf');
  const [key, salt, info] = [random.bytes(32), random.bytes(32), random.bytes(17)];
  for (const length of [0, 1, 31, 32, 33, 44, 63, 64, 65, 255 * 32 - 1, 255 * 32]) {
    expect(new Hkdf(key, info, length).derive(salt).toString('hex')).toBe(plainly(key, info, length, salt));
  }
  expect(() => new Hkdf(key, info, 255 * 32 + 1)).toThrow(RangeError);
});

test('refuses a salt that would have to be hashed first', () => {
  expect(() => new Hkdf(Buffer.of(1), Buffer.of(2), 44).derive(Buffer.alloc(65))).toThrow(RangeError);
});

/** The hkdfSync of newer OpenSSL refuses to derive nothing. */
function plainly(key: Buffer, info: Buffer, length: number, salt: Buffer): string {
  if (length === 0) return '';
  return Buffer.from(hkdfSync('sha256', key, salt, info, length)).toString('hex');
}
