import { isUtf8 } from 'node:buffer';
import { expect, test } from '@jest/globals';
import { aesGcm, type FixedLayout } from '../../src/formats/aes-gcm.ts';
import { formatOf, programmedFormats } from '../../src/formats/registry.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { Random } from '../support/random.ts';

const gcm: FixedLayout = {
  layout: ['nonce 12', 'ciphertext', 'tag 16'],
  encoding: 'base64',
  prefix: '',
  separator: '',
  key: 'sha256',
  aad: '',
};

test('a format has odds below 2^-40 exactly if it is authenticated', () => {
  for (const { authenticated, odds } of [...programmedFormats, aesGcm(gcm)]) {
    expect(odds).toBeGreaterThan(0);
    expect(odds < 2 ** -40).toBe(authenticated);
  }
});

test('the odds of an authenticated format are those of guessing its tag', () => {
  expect(formatOf('fernet').odds).toBe(2 ** -256);
  expect(aesGcm(gcm).odds).toBe(2 ** -128);
  expect(aesGcm({ ...gcm, layout: ['nonce 12', 'tag 12', 'ciphertext'] }).odds).toBe(2 ** -96);
});

test.each(['octopus', 'octopus-stream'])('a wrong key seems to open 1 random value in 255 of %s', (name) => {
  const format = formatOf(name);
  const count = 200_000;
  const bytes = new Random('octopus').bytes(count * 32);
  const values = Array.from({ length: count }, (_, i) => {
    const [iv, block] = [bytes.subarray(i * 32, i * 32 + 16), bytes.subarray(i * 32 + 16, i * 32 + 32)];
    return name === 'octopus'
      ? `${block.toString('base64')}|${iv.toString('base64')}`
      : Buffer.concat([iv, block]).toString('latin1');
  });
  const ring = new Keyring(Key.fromBytes(Buffer.alloc(32, 1)));
  const opened = format.open(values, ring).filter((opening) => opening !== 'closed').length;
  expect(format.odds).toBe(1 / 255);
  // 784 are expected, with a standard deviation of 28
  expect(Math.abs(opened / count / format.odds - 1)).toBeLessThan(0.1);
});

test("the odds of n8n's CBC form are the chance of valid padding after UTF-8 in one random block", () => {
  // By counting: u[n] of the 256^n strings of n bytes are UTF-8, as sequences of whole code points
  const codePoints = [0x80, 0x800 - 0x80, 0x10000 - 0x800 - 0x800, 0x110000 - 0x10000];
  const u = [1];
  for (let n = 1; n < 16; n++)
    u.push(codePoints.reduce((sum, points, i) => sum + points * (u[n - i - 1] ?? 0), 0));
  let odds = 0;
  for (let padding = 1; padding <= 16; padding++) odds += (u[16 - padding] ?? 0) / 256 ** 16;
  expect(formatOf('n8n').odds / odds).toBeCloseTo(1, 3);
  expect(formatOf('n8n-wrapped').odds).toBe(formatOf('n8n').odds);

  // By trying: 15 random bytes before padding of one, which is 255/256 of all valid padding
  const count = 1_000_000;
  const bytes = new Random('n8n').bytes(count * 15);
  let utf8 = 0;
  for (let i = 0; i < count; i++) if (isUtf8(bytes.subarray(i * 15, i * 15 + 15))) utf8++;
  // 167 are expected, with a standard deviation of 13
  expect(Math.abs(utf8 / count / 256 / odds - 1)).toBeLessThan(0.2);
});
