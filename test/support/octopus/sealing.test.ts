import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { Random } from '../random.ts';
import { halvesOf, openStream, openText, sealStream, sealText } from './sealing.ts';

describe('encryption', () => {
  const random = new Random('sealing');
  const plains: Buffer[] = ['', 'x', '0123456789abcdef', 'ключ 🔑'].map((text) => Buffer.from(text));
  plains.push(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), random.bytes(100_000));

  test.each([16, 32])('with a key of %i bytes agrees with the openssl command in both directions', (size) => {
    const key = random.bytes(size);
    for (const plain of plains) {
      const halves = halvesOf(sealText(plain, key));
      const openssl = (input: Buffer, ...words: string[]) => {
        const iv = halves?.iv.toString('hex') ?? '';
        const all = ['enc', `-aes-${size * 8}-cbc`, '-K', key.toString('hex'), '-iv', iv, ...words];
        return execFileSync('openssl', all, { input, maxBuffer: 1 << 24 });
      };
      const ciphertext = openssl(plain);
      expect(halves?.ciphertext.equals(ciphertext)).toBe(true);
      expect(openssl(ciphertext, '-d').equals(plain)).toBe(true);
      const stream = sealStream(plain, key, halves?.iv);
      expect(stream.equals(Buffer.concat([halves!.iv, ciphertext]))).toBe(true);
      expect(openStream(stream, key)?.equals(plain)).toBe(true);
      expect(openText(sealText(plain, key), key)?.equals(plain)).toBe(true);
    }
  });
});
