import { createDecipheriv, createHash, hkdfSync } from 'node:crypto';

/** Decrypts n8n's ciphertexts. Shares no code with src, so that each checks the other. */

/** The keys of one n8n database. */
export interface Keys {
  /** The configured instance key. */
  readonly instanceKey: string;
  /** What values without a prefix are read with: the key in the cbc row, else the configured one. */
  readonly legacyKey: string;
  /** Data keys by the id that values name them by, 32 bytes each. */
  readonly dataKeys: ReadonlyMap<string, Buffer>;
}

export interface DeploymentKey {
  readonly id: string;
  readonly type: string;
  readonly value: string;
  readonly algorithm: string | null;
  readonly status: string;
}

const prefixed = /^([A-Za-z0-9_-]{1,36}):(.*)$/s;

/** Base64 as n8n writes it: padded, standard alphabet, nothing after it. */
function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return text !== '' && bytes.toString('base64') === text ? bytes : undefined;
}

function md5(...parts: Uint8Array[]): Buffer {
  const hash = createHash('md5');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** `Salted__` ‖ salt ‖ AES-256-CBC; the password is taken as latin1. Throws if it does not decrypt. */
export function openLegacy(sealed: string, password: string): Buffer {
  const bytes = strictBase64(sealed);
  if (bytes === undefined) throw new Error('not base64');
  if (bytes.length < 32 || bytes.subarray(0, 8).toString('latin1') !== 'Salted__')
    throw new Error('not a legacy value');
  const salt = bytes.subarray(8, 16);
  const secret = Buffer.from(password, 'latin1');
  const first = md5(secret, salt);
  const second = md5(first, secret, salt);
  const iv = md5(second, secret, salt);
  const decipher = createDecipheriv('aes-256-cbc', Buffer.concat([first, second]), iv);
  return Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]);
}

/** 0x01 ‖ salt(32) ‖ tag(16) ‖ ciphertext, base64. Throws if it does not decrypt. */
export function openGcm(sealed: string, key: Uint8Array): Buffer {
  const bytes = strictBase64(sealed);
  if (bytes === undefined || bytes.length < 49 || bytes[0] !== 1) throw new Error('not a GCM value');
  const derived = Buffer.from(hkdfSync('sha256', key, bytes.subarray(1, 33), 'n8n-encryption-v1', 44));
  const decipher = createDecipheriv('aes-256-gcm', derived.subarray(0, 32), derived.subarray(32), {
    authTagLength: 16,
  });
  decipher.setAuthTag(bytes.subarray(33, 49));
  return Buffer.concat([decipher.update(bytes.subarray(49)), decipher.final()]);
}

/** What wraps rows of `deployment_key`: SHA-256 of the instance key as UTF-8. */
export function wrappingKey(instanceKey: string): Buffer {
  return createHash('sha256').update(instanceKey, 'utf8').digest();
}

/** A row's value in whatever shape some version of n8n left it: wrapped, CBC under the instance key, or clear. */
export function openDeploymentKey(row: DeploymentKey, instanceKey: string): string {
  if (row.type === 'instance.id') return row.value;
  if (row.value.startsWith('U2FsdGVkX1')) return openLegacy(row.value, instanceKey).toString('utf8');
  const bytes = strictBase64(row.value);
  const wrapped = bytes !== undefined && bytes[0] === 1 && bytes.length >= 49;
  return wrapped ? openGcm(row.value, wrappingKey(instanceKey)).toString('utf8') : row.value;
}

export function keysOf(rows: readonly DeploymentKey[], instanceKey: string): Keys {
  const ofData = rows.filter((row) => row.type === 'data_encryption');
  const legacy = ofData.filter((row) => row.algorithm === 'aes-256-cbc');
  if (legacy.length > 1) throw new Error(`${legacy.length} rows hold a legacy key`);
  const dataKeys = ofData
    .filter((row) => row.algorithm === 'aes-256-gcm')
    .map((row) => {
      const hex = openDeploymentKey(row, instanceKey);
      if (!/^[0-9a-f]{64}$/.test(hex)) throw new Error(`the data key ${row.id} is not 64 hex characters`);
      return [row.id, Buffer.from(hex, 'hex')] as const;
    });
  return {
    instanceKey,
    legacyKey: legacy[0] === undefined ? instanceKey : openDeploymentKey(legacy[0], instanceKey),
    dataKeys: new Map(dataKeys),
  };
}

/** A stored value as UTF-8 text; throws when it does not open, or when its plaintext is not UTF-8. */
export function openValue(sealed: string, keys: Keys): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(openBytes(sealed, keys));
}

function openBytes(sealed: string, keys: Keys): Buffer {
  const parts = prefixed.exec(sealed);
  if (parts === null) return openLegacy(sealed, keys.legacyKey);
  const [, id = '', body = ''] = parts;
  const key = keys.dataKeys.get(id);
  if (key === undefined) throw new Error(`there is no data key ${id}`);
  return openGcm(body, key);
}
