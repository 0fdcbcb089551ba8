import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

/** Fernet and AES-GCM, written from their specifications. Shares no code with src. Keys are 32 bytes. */

export function sealFernet(key: Buffer, plain: string): string {
  const head = Buffer.alloc(9, 0x80);
  head.writeBigUInt64BE(BigInt(1_700_000_000), 1);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-128-cbc', key.subarray(16), iv);
  const body = Buffer.concat([head, iv, cipher.update(plain, 'utf8'), cipher.final()]);
  const mac = createHmac('sha256', key.subarray(0, 16)).update(body).digest();
  return Buffer.concat([body, mac]).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

/** Null: not under this key. */
export function openFernet(key: Buffer, token: string): string | null {
  const bytes = Buffer.from(token, 'base64url');
  const body = bytes.subarray(0, -32);
  const mac = createHmac('sha256', key.subarray(0, 16)).update(body).digest();
  if (!mac.equals(bytes.subarray(-32))) return null;
  const decipher = createDecipheriv('aes-128-cbc', key.subarray(16), body.subarray(9, 25));
  return decipher.update(body.subarray(25), undefined, 'utf8') + decipher.final('utf8');
}

/** Prefix, then nonce, ciphertext and tag together in base64. */
export function sealGcm(key: Buffer, plain: string, nonce = randomBytes(12), prefix = 'enc:'): string {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return prefix + sealed.toString('base64');
}

/** The nonce is derived from the plaintext, as in Rails. */
export function sealEqually(key: Buffer, plain: string): string {
  return sealGcm(key, plain, createHmac('sha256', key).update(plain).digest().subarray(0, 12));
}

/** Null: not under this key. */
export function openGcm(key: Buffer, text: string, prefix = 'enc:'): string | null {
  if (!text.startsWith(prefix)) return null;
  const bytes = Buffer.from(text.slice(prefix.length), 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  try {
    return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return null;
  }
}
