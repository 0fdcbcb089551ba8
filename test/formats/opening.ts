import type { Format, Opening } from '../../src/formats/format.ts';
import type { Keyring } from '../../src/keys/keyring.ts';

/** The outcome of one value alone. */
export function openOne(format: Format, sealed: string, ring: Keyring): Opening {
  const [opening, ...more] = format.open([sealed], ring);
  if (opening === undefined || more.length > 0) throw new Error('not one outcome');
  return opening;
}

/** Its plaintext as UTF-8, or the outcome that is none. */
export function plainOf(opening: Opening | undefined): string | undefined {
  return typeof opening === 'object' ? opening.plain.toString('utf8') : opening;
}
