import type { Keyring } from '../keys/keyring.ts';
import type { Format, Opening } from './format.ts';

/** A format whose values are under a further key of the job, not under its master key. */
export function underKey({ bulk: _, files: __, ...format }: Format, name: string): Format {
  return {
    ...format,

    open(sealed, ring, contexts) {
      const part = ring.part(name);
      if (part === undefined) return sealed.map(() => 'closed');
      return format
        .open(sealed, part, contexts)
        .map(
          (opening): Opening => (typeof opening === 'string' ? opening : { ...opening, key: ring.primary }),
        );
    },

    seal(plain, ring, like, contexts) {
      return format.seal(plain, partOf(ring, name), like, contexts);
    },

    prefixes(ring) {
      const part = ring.part(name);
      return part === undefined ? [] : format.prefixes(part);
    },
  };
}

function partOf(ring: Keyring, name: string): Keyring {
  const part = ring.part(name);
  if (part === undefined) throw new Error(`a keyring without the key ${name}`);
  return part;
}
