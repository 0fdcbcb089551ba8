import type { Keyring } from '../keys/keyring.ts';
import { type Format, type Opening, provesKey } from './format.ts';

/** Two formats of the same values: one before the run, one after it. A ring says to which state it belongs. */
export interface ChangedFormat extends Format {
  readonly before: Format;
  readonly after: Format;
}

export function changedFormat(before: Format, after: Format): ChangedFormat {
  const of = ({ isAfter }: Keyring): readonly [Format, Format] =>
    isAfter ? [after, before] : [before, after];
  const { keyLengths = after.keyLengths, signature } = before;
  return {
    before,
    after,
    name: `${before.name} to ${after.name}`,
    authenticated: before.authenticated && after.authenticated,
    odds: Math.max(before.odds, after.odds),
    random: after.random,
    carries: before.carries,
    ...(keyLengths !== undefined && { keyLengths }),
    ...(signature !== undefined && { signature }),

    open(sealed, ring, places) {
      const [own, other] = of(ring);
      return asClosed(own.open(sealed, ring, places), sealed, ring, other);
    },

    // A value of the old layout is no model for the new one
    seal(plain, ring, _like, places) {
      const [own] = of(ring);
      return own.seal(
        plain,
        ring,
        plain.map(() => ''),
        places,
      );
    },

    keeps(text, ring) {
      const [own] = of(ring);
      const [opening] = own.open([text], ring);
      return typeof opening === 'object' && own.keeps?.(text, ring) !== false;
    },

    isEmpty(text) {
      return before.isEmpty(text);
    },

    sealedLength(plainBytes) {
      return after.sealedLength(plainBytes);
    },

    prefixes(ring) {
      return [...new Set([...before.prefixes(ring), ...after.prefixes(ring)])];
    },
  };
}

/** A value in the other format is one of this field that this ring does not open, and not foreign to it. */
function asClosed(openings: Opening[], sealed: readonly string[], ring: Keyring, other: Format): Opening[] {
  const foreign = openings.flatMap((opening, at) => (opening === 'foreign' ? [at] : []));
  if (foreign.length === 0) return openings;
  const found = other.open(
    foreign.map((at) => sealed[at] ?? ''),
    ring,
  );
  foreign.forEach((at, i) => {
    if (found[i] !== 'foreign') openings[at] = 'closed';
  });
  return openings;
}

export function isChanged(format: Format): format is ChangedFormat {
  return 'before' in format;
}

/** Which of the two formats proves by an opening that a value is in it. */
export function provenSide(format: Format): { readonly before: boolean; readonly after: boolean } {
  return isChanged(format)
    ? { before: provesKey(format.before), after: provesKey(format.after) }
    : { before: false, after: false };
}

/** Length of the longest value that the plaintext of one of this length may become. */
export function lengthAfter({ before, after }: ChangedFormat, length: number): number {
  let [least, most] = [0, length];
  while (least < most) {
    const middle = Math.ceil((least + most) / 2);
    if (before.sealedLength(middle) <= length) least = middle;
    else most = middle - 1;
  }
  return after.sealedLength(least);
}
