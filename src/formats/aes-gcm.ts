import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import type { Key } from '../keys/key.ts';
import { type AesGcmLayout, AesGcmText, type GcmValue } from './aes-gcm-layout.ts';
import type { Format, Opening } from './format.ts';
import { keyBytesFor } from './key-bytes.ts';

/** AES-GCM (NIST SP 800-38D) in the layout that a job describes: a raw or derived key, a random nonce per value. */
export type FixedLayout = AesGcmLayout & { readonly aad: string };

/** @param layout with a fixed text as additional data */
export function aesGcm(layout: FixedLayout): Format {
  const text = new AesGcmText(layout);
  const { signature } = text;
  return {
    name: 'aes-gcm',
    authenticated: true,
    odds: 2 ** (-8 * text.tagBytes),
    random: false,
    carries: layout.encoding === 'raw' ? 'bytes' : 'text',
    ...(layout.key === 'raw' && { keyLengths }),
    ...(signature !== undefined && { signature }),

    open(sealed, ring) {
      const cipher = new GcmCipher(layout, text.tagBytes, ring.primary);
      return sealed.map((stored): Opening => {
        const value = text.parse(stored);
        if (typeof value === 'string') return value;
        const plain = cipher.open(value);
        return plain === undefined ? 'closed' : { plain, key: ring.primary };
      });
    },

    seal(plain, ring, like) {
      const cipher = new GcmCipher(layout, text.tagBytes, ring.primary);
      const { nonceBytes } = text;
      const nonces = randomBytes(plain.length * nonceBytes);
      return plain.map((bytes, i) => {
        const nonce = nonces.subarray(i * nonceBytes, (i + 1) * nonceBytes);
        return text.write(cipher.seal(bytes, nonce), like[i] ?? '');
      });
    },

    isEmpty(stored) {
      return stored === '';
    },

    sealedLength(plainBytes) {
      return text.length(plainBytes);
    },

    prefixes() {
      return text.beginnings;
    },
  };
}

const keyLengths = [16, 24, 32];

/** One key, ready for many values. */
class GcmCipher {
  readonly #key: KeyObject;
  readonly #name: 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm';
  readonly #options: { readonly authTagLength: number };
  readonly #aad: Buffer;

  constructor({ key, aad }: FixedLayout, tagBytes: number, master: Key) {
    const bytes = derive(key, master);
    this.#key = createSecretKey(bytes);
    this.#name = `aes-${(bytes.length * 8) as 128 | 192 | 256}-gcm`;
    this.#options = { authTagLength: tagBytes };
    this.#aad = Buffer.from(aad, 'utf8');
  }

  /** The plaintext; undefined if the value does not open. */
  open({ nonce, tag, ciphertext }: GcmValue): Buffer | undefined {
    const decipher = createDecipheriv(this.#name, this.#key, nonce, this.#options)
      .setAAD(this.#aad)
      .setAuthTag(tag);
    try {
      return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
    } catch {
      return undefined;
    }
  }

  seal(plain: Buffer, nonce: Buffer): GcmValue {
    const cipher = createCipheriv(this.#name, this.#key, nonce, this.#options).setAAD(this.#aad);
    const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
    return { nonce, tag: cipher.getAuthTag(), ciphertext };
  }
}

function derive(how: AesGcmLayout['key'], master: Key): Buffer {
  if (how === 'raw') return keyBytesFor('aes-gcm', master, keyLengths);
  if (how === 'sha256') return hash('sha256', Buffer.from(master.text, 'utf8'), 'buffer');
  const { hash: digest, salt, info, bytes } = how.hkdf;
  return Buffer.from(hkdfSync(digest, master.bytes, Buffer.from(salt), Buffer.from(info), bytes));
}
