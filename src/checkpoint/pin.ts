import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { KeyturnError } from '../error.ts';
import { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import type { Run, RunKeys } from './run.ts';

/**
 * Source keys, wrapped under the new key, for the run's row (invariant 4): a key that this run overwrites in the database
 * is kept there until the run is forgotten. AES-256-GCM, key by HKDF-SHA256 from the new key and run id.
 * Wrapped form: base64(nonce(12) ‖ tag(16) ‖ ciphertext); the name is authenticated with it.
 */
export function pin(ring: Keyring, newKey: Key, runId: string): Record<string, string> {
  const pinned: Record<string, string> = {};
  for (const name of ring.names) {
    const key = ring.named(name);
    if (key !== undefined) pinned[name] = wrap(key, name, newKey, runId);
  }
  for (const { primary } of ring.others) {
    const name = otherName(primary);
    pinned[name] = wrap(primary, name, newKey, runId);
  }
  return pinned;
}

/** A further current key, by its id; no source key of a job is named so. */
function otherName({ id }: Key): string {
  return `${otherPrefix}${id}`;
}

const otherPrefix = 'other-key:';

/** Ids of the further keys of a run, in the order in which they were given. */
export function otherKeyIds(pinned: Readonly<Record<string, string>>): string[] {
  return Object.keys(pinned)
    .filter((name) => name.startsWith(otherPrefix))
    .map((name) => name.slice(otherPrefix.length));
}

/** The keys before the run: the current one, the source keys that the run may have overwritten since, and further keys. */
export function keyringBefore(
  { id, pinned }: Pick<Run, 'id' | 'pinned'>,
  { current, next }: RunKeys,
): Keyring {
  const keys = Object.entries(pinned).map(
    ([name, wrapped]) => [name, unwrap(wrapped, name, next, id)] as const,
  );
  const isOther = ([name]: readonly [string, Key]): boolean => name.startsWith(otherPrefix);
  return new Keyring(
    current,
    keys.filter((key) => !isOther(key)),
    keys.filter(isOther).map(([, key]) => key),
  );
}

function wrappingKey(newKey: Key, runId: string): Buffer {
  return Buffer.from(hkdfSync('sha256', newKey.bytes, runId, 'keyturn/pinned-key/v1', 32));
}

function wrap(key: Key, name: string, newKey: Key, runId: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', wrappingKey(newKey, runId), nonce);
  cipher.setAAD(Buffer.from(name));
  // Text keys keep every UTF-16 unit (n8n reads a key as latin1, and an unpaired surrogate has no UTF-8).
  const sealed = Buffer.concat([cipher.update(written(key), 'utf16le'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

function written({ isText, text, bytes, parts }: Key): string {
  const own = isText ? `t${text}` : `b${bytes.toString('base64')}`;
  if (parts.size === 0) return own;
  return `p${JSON.stringify([own, [...parts].map(([name, part]) => [name, written(part)])])}`;
}

function read(text: string): Key {
  if (text.startsWith('t')) return Key.fromText(text.slice(1));
  if (text.startsWith('b')) return Key.fromBytes(Buffer.from(text.slice(1), 'base64'));
  const [own, parts] = JSON.parse(text.slice(1)) as [string, [string, string][]];
  return read(own).with(new Map(parts.map(([name, part]) => [name, read(part)])));
}

function unwrap(wrapped: string, name: string, newKey: Key, runId: string): Key {
  const bytes = Buffer.from(wrapped, 'base64');
  try {
    const decipher = createDecipheriv('aes-256-gcm', wrappingKey(newKey, runId), bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(bytes.subarray(12, 28));
    const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf16le');
    return read(text);
  } catch (cause) {
    throw notDecrypted(name, cause);
  }
}

function notDecrypted(name: string, cause: unknown): KeyturnError {
  return new KeyturnError(
    'source-key',
    `the source key "${name}" of this run cannot be decrypted with the new key`,
    {
      hint: 'use the new key file that the run was started with',
      cause,
    },
  );
}
