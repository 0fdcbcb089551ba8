import { hash, randomBytes } from 'node:crypto';
import type { Keyring } from '../keys/keyring.ts';
import type { Format, Opening } from './format.ts';
import { CbcCipher, cbcOdds, cbcPrefix, cbcSaltBytes, parseCbc } from './n8n-cbc.ts';
import { GcmCipher, gcmLength, gcmSaltBytes, parseGcm } from './n8n-gcm.ts';
import { openGcmBulk, sealGcmBulk } from './n8n-gcm-bulk.ts';

/**
 * The keys and secrets that n8n wraps with its instance key, in `deployment_key.value`:
 * - in the GCM layout, without a prefix;
 * - as n8n 2.19 wrote them, in the CBC form of its values, under the instance key.
 * Some versions stored them unencrypted: those are foreign, whatever they look like.
 */
export const n8nWrapped: Format = {
  name: 'n8n-wrapped',
  // The GCM form is, the older one is not; a format is as strong as its weakest form.
  authenticated: false,
  odds: cbcOdds,
  random: true,
  carries: 'text',
  bulk: {
    open(sealed, ring) {
      return openGcmBulk(inputKey(ring), sealed);
    },
    /** Values of the older form are not opened in bulk, and so not sealed. */
    seal(plain, ring) {
      return sealGcmBulk(inputKey(ring), plain);
    },
  },

  open(sealed, ring) {
    const gcm = gcmCipher(ring);
    const cbc = new CbcCipher(ring.primary.text);
    const openings: Opening[] = [];
    for (const text of sealed) {
      const newer = parseGcm(text);
      const older = newer === undefined ? parseCbc(text) : undefined;
      if (newer !== undefined) openings.push(opening(gcm.open(newer), ring));
      else if (older === 'foreign') openings.push('foreign');
      else
        openings.push(
          opening(older === undefined || older === 'malformed' ? undefined : cbc.open(older), ring),
        );
    }
    return openings;
  },

  seal(plain, ring, like) {
    const gcm = gcmCipher(ring);
    const cbc = new CbcCipher(ring.primary.text);
    // One call for the whole batch; the older form uses the first bytes of its slice
    const random = randomBytes(plain.length * gcmSaltBytes);
    const sealed: string[] = [];
    for (const [i, bytes] of plain.entries()) {
      const at = i * gcmSaltBytes;
      sealed.push(
        like[i]?.startsWith(cbcPrefix)
          ? cbc.seal(bytes, random.subarray(at, at + cbcSaltBytes))
          : gcm.seal(bytes, random.subarray(at, at + gcmSaltBytes)),
      );
    }
    return sealed;
  },

  isEmpty(text) {
    return text === '';
  },

  /** Of the GCM form, which is always the longer one. */
  sealedLength: gcmLength,

  // The GCM form has no fixed beginning, and format n8n searches for the older one.
  prefixes() {
    return [];
  },
};

function opening(plain: Buffer | undefined, ring: Keyring): Opening {
  return plain === undefined ? 'closed' : { plain, key: ring.primary };
}

function gcmCipher(ring: Keyring): GcmCipher {
  return new GcmCipher(inputKey(ring));
}

/** SHA-256 of the instance key's UTF-8 (UTF-8 here, latin1 for values). */
function inputKey(ring: Keyring): Buffer {
  return hash('sha256', Buffer.from(ring.primary.text, 'utf8'), 'buffer');
}
