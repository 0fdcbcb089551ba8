import { isUtf8 } from 'node:buffer';
import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';
import { Keyring } from '../keys/keyring.ts';
import type { DescribedFormat } from './described/described.ts';
import type { Format } from './format.ts';

export interface Tried {
  readonly plain: Buffer | null;
  /** Empty if it was decrypted. */
  readonly reason: string;
}

/** Decrypts one value, or says in words what fails. */
export function tryFormat(format: Format, text: string, key: Key): Tried {
  try {
    if (isDescribed(format)) {
      const { opened, reason } = format.explain(text, key);
      return opened === null ? { plain: null, reason } : plausible(format, opened);
    }
    const [opening = 'foreign'] = format.open([text], new Keyring(key));
    if (typeof opening === 'object') return plausible(format, opening.plain);
    return {
      plain: null,
      reason:
        opening === 'foreign' ? 'not of this format' : 'of this format, but this key does not decrypt it',
    };
  } catch (error) {
    if (error instanceof KeyturnError) return { plain: null, reason: error.message };
    throw error;
  }
}

/** With a wrong key, a format without authentication decrypts to random bytes. */
function plausible({ authenticated }: Format, plain: Buffer): Tried {
  if (authenticated || isUtf8(plain)) return { plain, reason: '' };
  return { plain: null, reason: 'decrypts to bytes that are no text: another key, or another format' };
}

function isDescribed(format: Format): format is DescribedFormat {
  return 'explain' in format;
}
