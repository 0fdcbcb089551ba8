import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';

/**
 * The bytes of a key that a cipher uses as they are. Other lengths should not get here: the job's `key.bytes` is
 * checked.
 */
export function keyBytesFor(format: string, key: Key, lengths: readonly number[]): Buffer {
  if (lengths.includes(key.bytes.length)) return key.bytes;
  throw new KeyturnError('key-shape', `format ${format} does not accept a ${key.bytes.length}-byte key`, {
    hint: `it accepts keys of ${lengths.join(' or ')} bytes: set key.bytes in the job accordingly`,
  });
}
