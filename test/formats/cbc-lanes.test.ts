import { createCipheriv, createDecipheriv } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CbcValue, cbcBytes, openCbc, sealCbc } from '../../src/formats/cbc-lanes.ts';
import { Random } from '../support/random.ts';

const random = new Random('cbc-lanes');

/** The one-by-one way. */
function openOne(key: Buffer, { iv, sealed }: CbcValue): Buffer | undefined {
  const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv);
  try {
    return Buffer.concat([decipher.update(sealed), decipher.final()]);
  } catch {
    return undefined;
  }
}

function sealOne(key: Buffer, iv: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv);
  return Buffer.concat([cipher.update(plain), cipher.final()]);
}

/** Of megabytes, texts are compared much faster than buffers. */
function hex(values: readonly (Buffer | undefined)[]): (string | undefined)[] {
  return values.map((bytes) => bytes?.toString('hex'));
}

/** Both directions against the one-by-one way, value by value. */
function expectSame(key: Buffer, plain: readonly Buffer[]): CbcValue[] {
  const sealed = sealCbc(key, plain);
  expect(hex(sealed.map((value) => value.sealed))).toEqual(
    hex(sealed.map(({ iv }, i) => sealOne(key, iv, plain[i] as Buffer))),
  );
  expect(hex(openCbc(key, sealed))).toEqual(hex(plain));
  return sealed;
}

describe.each([16, 24, 32])('with a key of %i bytes, batches equal single values', (keyBytes) => {
  const key = random.bytes(keyBytes);

  test('for every length from 0 to 100, together and separately', () => {
    const all = Array.from({ length: 101 }, (_, length) => random.bytes(length));
    expectSame(key, all);
    expectSame(key, all.toReversed());
    for (const plain of all) {
      for (const count of [1, 2, 3, 17]) expectSame(key, Array<Buffer>(count).fill(plain));
    }
  });

  test('for batches of many sizes and mixed lengths', () => {
    for (const count of [0, 1, 2, 3, 7, 64, 1000]) {
      expectSame(
        key,
        Array.from({ length: count }, () => random.bytes(random.below(200))),
      );
    }
  });

  test('for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 70 }), { maxLength: 30 }), (values) => {
        expectSame(key, values.map(Buffer.from));
      }),
    );
  });

  test('for values around the length limit of a batch, among short ones', () => {
    const lengths = [5, 1007, 1008, 1009, 1023, 1024, 1025, 0, 4096, 60, 1 << 20, 60];
    expectSame(
      key,
      lengths.map((length) => random.bytes(length)),
    );
  });

  test('for more than one batch of lanes', () => {
    expectSame(
      key,
      Array.from({ length: 3000 }, (_, i) => random.bytes(700 + (i % 300))),
    );
  });
});

describe('values that do not open', () => {
  const key = random.bytes(16);

  /** One block that decrypts to these bytes. */
  function blockOf(plain: Buffer): CbcValue {
    const iv = random.bytes(16);
    const cipher = createCipheriv('aes-128-cbc', key, iv).setAutoPadding(false);
    return { iv, sealed: Buffer.concat([cipher.update(plain), cipher.final()]) };
  }

  test('the same paddings are valid, for every last byte and every number of equal bytes before it', () => {
    const values: CbcValue[] = [];
    for (let last = 0; last < 256; last++) {
      for (let run = 1; run <= 16; run++) {
        values.push(blockOf(Buffer.alloc(16, (last + 1) & 0xff).fill(last, 16 - run)));
      }
    }
    const opened = openCbc(key, values);
    expect(hex(opened)).toEqual(hex(values.map((value) => openOne(key, value))));
    // Of a run of n bytes, the paddings 1 to n.
    expect(opened.filter((plain) => plain !== undefined)).toHaveLength((16 * 17) / 2);
  });

  test('with a wrong key, the same values open by chance, to the same garbage', () => {
    const plain = Array.from({ length: 5000 }, (_, i) => random.bytes(i % 80));
    const sealed = plain.map((bytes): CbcValue => {
      const iv = random.bytes(16);
      return { iv, sealed: sealOne(key, iv, bytes) };
    });
    const wrong = random.bytes(16);
    const opened = openCbc(wrong, sealed);
    expect(hex(opened)).toEqual(hex(sealed.map((value) => openOne(wrong, value))));
    const passed = opened.filter((value) => value !== undefined).length;
    expect(passed).toBeGreaterThan(0);
    expect(passed).toBeLessThan(100);
  });

  test('damage to one value does not affect the others of its batch', () => {
    const plain = Array.from({ length: 50 }, (_, i) => random.bytes(20 + i));
    const sealed = sealCbc(key, plain);
    const hurt = sealed.map(({ iv, sealed: bytes }, i) => {
      if (i % 7 !== 0) return { iv, sealed: bytes };
      const changed = Buffer.from(bytes);
      changed[changed.length - 1] = (changed.at(-1) as number) ^ 1;
      return { iv, sealed: changed };
    });
    const opened = openCbc(key, hurt);
    expect(hex(opened)).toEqual(hex(hurt.map((value) => openOne(key, value))));
    plain.forEach((bytes, i) => {
      if (i % 7 !== 0) expect(opened[i]).toEqual(bytes);
    });
  });
});

test('every value has its own IV', () => {
  const sealed = sealCbc(random.bytes(32), Array<Buffer>(3000).fill(Buffer.from('same')));
  expect(new Set(sealed.map(({ iv }) => iv.toString('hex'))).size).toBe(3000);
  expect(new Set(sealed.map(({ sealed: bytes }) => bytes.toString('hex'))).size).toBe(3000);
});

test('the input is not modified', () => {
  const key = random.bytes(32);
  const plain = Array.from({ length: 40 }, (_, length) => random.bytes(length));
  const copies = plain.map((bytes) => Buffer.from(bytes));
  const sealed = sealCbc(key, plain);
  const kept = sealed.map((value) => ({ iv: Buffer.from(value.iv), sealed: Buffer.from(value.sealed) }));
  openCbc(key, sealed);
  expect(plain).toEqual(copies);
  expect(sealed).toEqual(kept);
});

test('the length of a ciphertext is known in advance', () => {
  const key = random.bytes(16);
  for (let length = 0; length < 70; length++) {
    expect(sealCbc(key, [Buffer.alloc(length)])[0]?.sealed).toHaveLength(cbcBytes(length));
  }
});
