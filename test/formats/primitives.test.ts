import { createCipheriv, createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { Aes256 } from '../../src/formats/aes256.ts';
import { Gcm256 } from '../../src/formats/gcm256.ts';
import { Md5Message } from '../../src/formats/md5.ts';
import { Random } from '../support/random.ts';

/** Against the standards, and against OpenSSL with a thousand random inputs each. */

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const rounds = 1000;

describe('AES-256', () => {
  test('encrypts and decrypts the example of FIPS 197, C.3', () => {
    const aes = new Aes256();
    aes.setKey(hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'));
    const block = hex('00112233445566778899aabbccddeeff');
    aes.encrypt(block, 0);
    expect(block.toString('hex')).toBe('8ea2b7ca516745bfeafc49904b496089');
    aes.prepareDecryption();
    aes.decrypt(block, 0);
    expect(block.toString('hex')).toBe('00112233445566778899aabbccddeeff');
  });

  test('is what OpenSSL computes, one key after the other', () => {
    const random = new Random('aes');
    const aes = new Aes256();
    for (let i = 0; i < rounds; i++) {
      const key = random.bytes(32);
      const plain = random.bytes(16);
      const expected = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(plain);
      const bytes = Buffer.concat([Buffer.alloc(3), plain]);
      aes.setKey(key);
      aes.encrypt(bytes, 3);
      expect(bytes.subarray(3)).toEqual(expected);
      aes.prepareDecryption();
      aes.decrypt(bytes, 3);
      expect(bytes).toEqual(Buffer.concat([Buffer.alloc(3), plain]));
    }
  });
});

describe('AES-256-GCM', () => {
  const sealed = (key: Buffer, nonce: Buffer, plain: Buffer): string => {
    const gcm = new Gcm256();
    const out = Buffer.alloc(plain.length + 16);
    gcm.setKey(key, nonce);
    gcm.apply(plain, 0, plain.length, out, 0);
    gcm.tag(out, 0, plain.length, out, plain.length);
    return out.toString('hex');
  };

  test('encrypts test cases 13, 14 and 15 of the specification by McGrew and Viega', () => {
    const [key, nonce] = [Buffer.alloc(32), Buffer.alloc(12)];
    expect(sealed(key, nonce, Buffer.alloc(0))).toBe('530f8afbc74536b9a963b4f1c4cb738b');
    expect(sealed(key, nonce, Buffer.alloc(16))).toBe(
      'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    );
    const plain = hex(`d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
      1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255`);
    const long = hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308');
    expect(sealed(long, hex('cafebabefacedbaddecaf888'), plain)).toBe(
      hex(`522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
        8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c`).toString(
        'hex',
      ),
    );
  });

  test('is what OpenSSL computes, for texts of any length', () => {
    const random = new Random('gcm');
    for (let i = 0; i < rounds; i++) {
      const [key, nonce, plain] = [random.bytes(32), random.bytes(12), random.bytes(i % 100)];
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const expected = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      expect(sealed(key, nonce, plain)).toBe(expected.toString('hex'));
    }
  });
});

describe('MD5', () => {
  const digestOf = (bytes: Uint8Array): string => {
    const message = new Md5Message(bytes.length);
    message.bytes.set(bytes);
    const out = Buffer.alloc(16);
    message.digest(new DataView(out.buffer, out.byteOffset), 0);
    return out.toString('hex');
  };

  test('hashes the test suite of RFC 1321', () => {
    expect(
      ['', 'a', 'abc', 'message digest', '1234567890'.repeat(8)].map((text) => digestOf(Buffer.from(text))),
    ).toEqual([
      'd41d8cd98f00b204e9800998ecf8427e',
      '0cc175b9c0f1b6a831c399e269772661',
      '900150983cd24fb0d6963f7d28e17f72',
      'f96b697d7cb7938d525a2f31aaf161d0',
      '57edf4a22be3c955ac49da2e2107b67a',
    ]);
  });

  test('is what OpenSSL computes, for messages of one to four blocks', () => {
    const random = new Random('md5');
    for (let length = 0; length < 250; length++) {
      const bytes = random.bytes(length);
      expect(digestOf(bytes)).toBe(createHash('md5').update(bytes).digest('hex'));
    }
  });

  test('a message may be edited and hashed again', () => {
    const message = new Md5Message(60);
    const out = Buffer.alloc(32);
    const view = new DataView(out.buffer, out.byteOffset);
    for (const byte of [1, 2]) {
      message.bytes.fill(byte);
      message.digest(view, 16);
      expect(out.subarray(16)).toEqual(createHash('md5').update(Buffer.alloc(60, byte)).digest());
    }
  });
});
