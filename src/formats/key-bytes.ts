import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';

/** The bytes of a key that a cipher takes as they are; a job's check (`key.bytes`) keeps others away beforehand. */
export function keyBytesFor(format: string, key: Key, lengths: readonly number[]): Buffer {
  if (lengths.includes(key.bytes.length)) return key.bytes;
  throw new KeyturnError('key-shape', `the format ${format} takes no key of ${key.bytes.length} bytes`, {
    hint: `it takes keys of ${lengths.join(' or ')} bytes: say so in the job's key.bytes`,
  });
}
