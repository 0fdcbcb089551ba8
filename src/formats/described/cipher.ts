import { type CipherGCMTypes, createCipheriv, createDecipheriv } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';

const modes = ['cbc', 'ctr', 'cfb', 'ecb', 'gcm'] as const;
type AesName = `aes-${128 | 192 | 256}-${(typeof modes)[number]}`;
export type CipherName = AesName | 'chacha20-poly1305' | 'xchacha20-poly1305' | 'xsalsa20-poly1305';

export const cipherNames: readonly CipherName[] = [
  ...([128, 192, 256] as const).flatMap((bits) => modes.map((mode) => `aes-${bits}-${mode}` as const)),
  'chacha20-poly1305',
  'xchacha20-poly1305',
  'xsalsa20-poly1305',
];

/** What a layout has to provide for a cipher. Lengths in bytes. */
export interface CipherTraits {
  readonly keyBytes: number;
  /** Usual length of the IV or nonce; 0: there is none. */
  readonly ivBytes: number;
  /** GCM allows other lengths too. */
  readonly anyIv: boolean;
  /** Whole blocks of 16 bytes only. */
  readonly blocks: boolean;
  /** Whether there is a tag, which proves the key. */
  readonly tagged: boolean;
}

export function traitsOf(name: CipherName): CipherTraits {
  if (!isAes(name)) {
    const ivBytes = name === 'chacha20-poly1305' ? 12 : 24;
    return { keyBytes: 32, ivBytes, anyIv: false, blocks: false, tagged: true };
  }
  const [, bits = '', mode = ''] = name.split('-');
  return {
    keyBytes: Number(bits) / 8,
    ivBytes: { cbc: 16, ctr: 16, cfb: 16, ecb: 0, gcm: 12 }[mode] ?? 0,
    anyIv: mode === 'gcm',
    blocks: mode === 'cbc' || mode === 'ecb',
    tagged: mode === 'gcm',
  };
}

function isAes(name: CipherName): name is AesName {
  return name.startsWith('aes-');
}

export interface Sealed {
  readonly ciphertext: Buffer;
  /** Empty for ciphers without one. */
  readonly tag: Buffer;
}

/** @param iv empty for ECB */
export function encrypt(
  name: CipherName,
  key: Buffer,
  iv: Buffer,
  plain: Buffer,
  aad: Buffer,
  tagBytes: number,
): Sealed {
  if (name === 'xchacha20-poly1305' || name === 'xsalsa20-poly1305')
    return sealNoble(name, key, iv, plain, aad);
  const cipher = createCipheriv(name as CipherGCMTypes, key, iv.length === 0 ? (null as never) : iv, {
    authTagLength: tagBytes,
  });
  if (!traitsOf(name).tagged) {
    cipher.setAutoPadding(false);
    return { ciphertext: Buffer.concat([cipher.update(plain), cipher.final()]), tag: Buffer.alloc(0) };
  }
  cipher.setAAD(aad, { plaintextLength: plain.length });
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** Undefined: the tag does not match, or the length is impossible. */
export function decrypt(
  name: CipherName,
  key: Buffer,
  iv: Buffer,
  { ciphertext, tag }: Sealed,
  aad: Buffer,
): Buffer | undefined {
  try {
    if (name === 'xchacha20-poly1305')
      return Buffer.from(xchacha20poly1305(key, iv, aad).decrypt(Buffer.concat([ciphertext, tag])));
    if (name === 'xsalsa20-poly1305')
      return Buffer.from(xsalsa20poly1305(key, iv).decrypt(Buffer.concat([tag, ciphertext])));
    const decipher = createDecipheriv(name as CipherGCMTypes, key, iv.length === 0 ? (null as never) : iv, {
      authTagLength: tag.length,
    });
    if (traitsOf(name).tagged) decipher.setAAD(aad, { plaintextLength: ciphertext.length }).setAuthTag(tag);
    else decipher.setAutoPadding(false);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch {
    return undefined;
  }
}

function sealNoble(name: CipherName, key: Buffer, iv: Buffer, plain: Buffer, aad: Buffer): Sealed {
  const tagBytes = 16;
  if (name === 'xsalsa20-poly1305') {
    const sealed = Buffer.from(xsalsa20poly1305(key, iv).encrypt(plain));
    return { tag: sealed.subarray(0, tagBytes), ciphertext: sealed.subarray(tagBytes) };
  }
  const sealed = Buffer.from(xchacha20poly1305(key, iv, aad).encrypt(plain));
  return { ciphertext: sealed.subarray(0, -tagBytes), tag: sealed.subarray(-tagBytes) };
}
