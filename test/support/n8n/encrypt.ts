import { isUtf8 } from 'node:buffer';
import { createCipheriv, createHash, hkdfSync } from 'node:crypto';
import { drawUntil, Random } from '../random.ts';
import { openLegacy, wrappingKey } from './decrypt.ts';

/** n8n's ciphertexts, made from the facts alone, for databases that no fixture has. Shares no code with src. */

/** Of every salt that a caller does not choose. */
const random = new Random('salts of n8n');

/** As n8n (and CryptoJS) seal: EVP_BytesToKey with MD5, AES-256-CBC; the password is taken as latin1. */
export function sealLegacy(
  plain: string | Uint8Array,
  password: string,
  salt: Buffer = random.bytes(8),
): string {
  const secret = Buffer.from(password, 'latin1');
  let material = Buffer.alloc(0);
  let last = Buffer.alloc(0);
  while (material.length < 48) {
    last = createHash('md5').update(last).update(secret).update(salt).digest();
    material = Buffer.concat([material, last]);
  }
  const cipher = createCipheriv('aes-256-cbc', material.subarray(0, 32), material.subarray(32, 48));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.from('Salted__', 'latin1'), salt, body]).toString('base64');
}

/** The GCM form without a prefix. */
export function sealGcm(plain: string | Uint8Array, key: Uint8Array): string {
  const salt = random.bytes(32);
  const derived = Buffer.from(hkdfSync('sha256', key, salt, 'n8n-encryption-v1', 44));
  const cipher = createCipheriv('aes-256-gcm', derived.subarray(0, 32), derived.subarray(32));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(1), salt, cipher.getAuthTag(), body]).toString('base64');
}

/** `<keyId>:…`, as values are stored under a data key. */
export function sealUnder(dataKeyId: string, plain: string | Uint8Array, dataKey: Uint8Array): string {
  return `${dataKeyId}:${sealGcm(plain, dataKey)}`;
}

/** The value of a `deployment_key` row. */
export function wrap(plain: string, instanceKey: string): string {
  return sealGcm(plain, wrappingKey(instanceKey));
}

/**
 * Somebody else's ciphertext that by chance passes the padding check under `key` too (1 in 255 does), where it
 * opens to garbage that is no UTF-8.
 */
export function luckyLookAlike(plain: string, password: string, key: string): string {
  return drawUntil(
    () => sealLegacy(plain, password),
    (sealed) => {
      const garbage = openedBy(key, sealed);
      return garbage !== undefined && !isUtf8(garbage);
    },
  );
}

/** A value that the other keys do not open, not even by chance. */
export function sealOnlyFor(plain: string, password: string, others: readonly string[]): string {
  return drawUntil(
    () => sealLegacy(plain, password),
    (sealed) => others.every((other) => openedBy(other, sealed) === undefined),
  );
}

function openedBy(key: string, sealed: string): Buffer | undefined {
  try {
    return openLegacy(sealed, key);
  } catch {
    return undefined;
  }
}
