import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { octopus, octopusStream } from '../../src/formats/octopus.ts';
import { Key } from '../../src/keys/key.ts';
import { Keyring } from '../../src/keys/keyring.ts';
import { sealText } from '../support/octopus/sealing.ts';
import { Random } from '../support/random.ts';
import { openOne, plainOf } from './opening.ts';
import { vectors } from './vectors.ts';

const ring = new Keyring(Key.fromBytes(Buffer.alloc(32, 7)));
const [sealed = ''] = octopus.seal([Buffer.from('a password')], ring, ['']);
const [stream = ''] = octopusStream.seal([Buffer.from('a password')], ring, ['']);
const [ciphertext = '', iv = ''] = sealed.split('|');

function bytesOf(base64: string): Buffer {
  return Buffer.from(base64, 'base64');
}

const made = vectors('octopus', ['key', 'plain', 'text', 'stream']);

test.each(made)('opens what openssl encrypted: $name', ({ key, plain, text, stream: bytes }) => {
  const keys = new Keyring(Key.fromBytes(bytesOf(key)));
  const expected = { plain: bytesOf(plain), key: keys.primary };
  expect(openOne(octopus, text, keys)).toEqual(expected);
  expect(openOne(octopusStream, bytesOf(bytes).toString('latin1'), keys)).toEqual(expected);
});

test.each(made)('openssl decrypts what keyturn seals: $name', ({ key, plain }) => {
  const keys = new Keyring(Key.fromBytes(bytesOf(key)));
  const openssl = (input: Buffer, vector: Buffer): Buffer => {
    const cipher = `-aes-${bytesOf(key).length * 8}-cbc`;
    const secrets = ['-K', bytesOf(key).toString('hex'), '-iv', vector.toString('hex')];
    const run = spawnSync('openssl', ['enc', '-d', cipher, ...secrets], { input });
    if (run.status !== 0) throw new Error(`openssl: ${run.error ?? run.stderr}`);
    return run.stdout;
  };
  const [text = ''] = octopus.seal([bytesOf(plain)], keys, ['']);
  const [first = '', second = ''] = text.split('|');
  expect(openssl(bytesOf(first), bytesOf(second))).toEqual(bytesOf(plain));
  const whole = Buffer.from(octopusStream.seal([bytesOf(plain)], keys, [''])[0] ?? '', 'latin1');
  expect(openssl(whole.subarray(16), whole.subarray(0, 16))).toEqual(bytesOf(plain));
});

describe('values are rotated in one batch', () => {
  test.each([
    [16, 32],
    [32, 16],
    [16, 16],
  ])('from a key of %i bytes to one of %i, in order', (from, to) => {
    const random = new Random('batch');
    const old = new Keyring(Key.fromBytes(random.bytes(from)));
    const next = new Keyring(Key.fromBytes(random.bytes(to)));
    const plain = Array.from({ length: 500 }, (_, i) => random.bytes(i % 90));
    for (const format of [octopus, octopusStream]) {
      const before = format.seal(plain, old, []);
      const opened = format.open(before, old).map((it) => (typeof it === 'object' ? it.plain : it));
      expect(opened).toEqual(plain);
      const after = format.seal(opened as Buffer[], next, before);
      expect(after.map(({ length }) => length)).toEqual(before.map(({ length }) => length));
      expect(format.open(after, next)).toEqual(plain.map((bytes) => ({ plain: bytes, key: next.primary })));
    }
  });

  test('values that are foreign or closed do not affect the order of the others', () => {
    const hurt = `${Buffer.from(bytesOf(ciphertext)).fill(1).toString('base64')}|${iv}`;
    const openings = octopus.open(['clear', sealed, '', hurt, 'a|b', sealed], ring);
    expect(openings.map(plainOf)).toEqual([
      'foreign',
      'a password',
      'foreign',
      plainOf(openOne(octopus, hurt, ring)),
      'foreign',
      'a password',
    ]);
  });
});

describe('text that is not a value of Octopus', () => {
  test.each([
    ['an empty string', ''],
    ['clear text', 'a password'],
    ['an IIS binding', 'http|80'],
    ['only a bar', '|'],
    ['no ciphertext', `|${iv}`],
    ['no IV', `${ciphertext}|`],
    ['the halves swapped', `${iv}|${Buffer.alloc(32).toString('base64')}`],
    ['a second bar', `${sealed}|`],
    ['a bar before it', `|${sealed}`],
    ['three parts', `${ciphertext}|${iv}|${iv}`],
    ['two values joined', `${sealed},${sealed}`],
    ['an IV of 15 bytes', `${ciphertext}|${Buffer.alloc(15).toString('base64')}`],
    ['an IV of 17 bytes', `${ciphertext}|${Buffer.alloc(17).toString('base64')}`],
    ['ciphertext of 15 bytes', `${Buffer.alloc(15).toString('base64')}|${iv}`],
    ['ciphertext of 17 bytes', `${Buffer.alloc(17).toString('base64')}|${iv}`],
    ['a line break after it', `${sealed}\n`],
    ['white space before it', ` ${sealed}`],
    ['white space around the bar', `${ciphertext} | ${iv}`],
    ['a line break within', `${ciphertext.slice(0, 4)}\n${ciphertext.slice(4)}|${iv}`],
    ['no padding', sealed.replaceAll('=', '')],
    ['the URL alphabet', `${Buffer.alloc(48, 0xff).toString('base64').replaceAll('/', '_')}|${iv}`],
    [
      'an IV with unused bits that are not zero',
      `${ciphertext}|${iv.slice(0, -3)}${iv.at(-3) === 'B' ? 'R' : 'B'}==`,
    ],
    ['a hashed password', '3E8$Kcx0Xa8=$SMhPGAWsiUGDBdJ5C0kBVg=='],
    ['the stream form', stream],
  ])('%s is foreign', (_, text) => {
    expect(openOne(octopus, text, ring)).toBe('foreign');
  });

  test.each([
    ['an empty string', ''],
    ['only an IV', stream.slice(0, 16)],
    ['one byte too few', stream.slice(1)],
    ['one byte too many', `${stream}\0`],
    ['a character that is not a byte', `${stream.slice(0, 31)}Ā`],
  ])('in a stream, %s is foreign', (_, text) => {
    expect(openOne(octopusStream, text, ring)).toBe('foreign');
  });

  test('open does not throw for arbitrary text', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(fc.base64String(), fc.base64String()).map((halves) => halves.join('|')),
      fc.uint8Array({ minLength: 32, maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        openOne(octopus, text, ring);
        openOne(octopusStream, text, ring);
      }),
    );
  });
});

describe('keys', () => {
  test('a wrong key seems to open 1 value in 255', () => {
    const random = new Random('a wrong key');
    const values = Array.from({ length: 3000 }, (_, i) =>
      sealText(Buffer.from(`password ${i}`), ring.primary.bytes, random.bytes(16)),
    );
    const wrong = new Keyring(Key.fromBytes(Buffer.alloc(32, 8)));
    const opened = octopus.open(values, wrong).filter((it) => it !== 'closed');
    expect(opened.length).toBeGreaterThan(0);
    expect(opened.length).toBeLessThan(24);
    expect(octopus.authenticated).toBe(false);
  });

  test('a key of another length is refused for opening and sealing', () => {
    const short = new Keyring(Key.fromBytes(Buffer.alloc(20)));
    for (const work of [() => octopus.open([sealed], short), () => octopus.seal([Buffer.of()], short, [])]) {
      expect(work).toThrow(expect.objectContaining({ code: 'key-shape', exitCode: 2 }));
    }
    expect(octopus.keyLengths).toEqual([16, 32]);
  });

  test('only the master key is tried, and not the other keys of the ring', () => {
    const named = new Keyring(Key.fromBytes(Buffer.alloc(32, 1)), [['old', ring.primary]]);
    const openings = octopus.open(octopus.seal(Array(200).fill(Buffer.alloc(40, 9)), ring, []), named);
    expect(openings.filter((it) => typeof it === 'object' && it.plain.equals(Buffer.alloc(40, 9)))).toEqual(
      [],
    );
  });
});

test('the length of a ciphertext is known in advance', () => {
  for (const format of [octopus, octopusStream]) {
    for (let length = 0; length < 70; length++) {
      expect(format.seal([Buffer.alloc(length)], ring, [''])[0]).toHaveLength(format.sealedLength(length));
    }
  }
});

test('only an empty string is empty, and values have no fixed beginning', () => {
  for (const format of [octopus, octopusStream]) {
    expect([format.isEmpty(''), format.isEmpty(' '), format.isEmpty('|')]).toEqual([true, false, false]);
    expect(format.prefixes(ring)).toEqual([]);
  }
});
