import { randomBytes } from 'node:crypto';
import { KeyturnError } from '../error.ts';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import { canonicalBase64 } from './base64.ts';
import type { Format, Opening } from './format.ts';
import { CbcCipher, cbcLength, cbcOdds, cbcPrefix, cbcSaltBytes, parseCbc } from './n8n-cbc.ts';
import { n8nCbcBulk } from './n8n-cbc-bulk.ts';
import { GcmCipher, gcmSaltBytes, parseGcm } from './n8n-gcm.ts';

/**
 * The values of n8n, in two forms:
 * - legacy: CBC without a prefix, under the key named `legacy` in the ring, or else the master key;
 * - tagged: `<id>:` and the GCM layout, under the data key named `data:<id>` in the ring.
 */
export const n8n: Format = {
  name: 'n8n',
  // The legacy form is not; a format is as strong as its weakest form.
  authenticated: false,
  odds: cbcOdds,
  random: true,
  carries: 'text',
  bulk: n8nCbcBulk,

  open(sealed, ring) {
    const ciphers = new Ciphers(ring);
    const openings: Opening[] = [];
    for (const text of sealed) {
      const id = prefixOf(text);
      openings.push(id === undefined ? openLegacy(text, ciphers, ring) : openTagged(text, id, ciphers));
    }
    return openings;
  },

  seal(plain, ring, like) {
    const ciphers = new Ciphers(ring);
    // One call for the whole batch; the legacy form uses the first bytes of its slice
    const random = randomBytes(plain.length * gcmSaltBytes);
    const sealed: string[] = [];
    for (const [i, bytes] of plain.entries()) {
      const at = i * gcmSaltBytes;
      const id = ring.only === null ? prefixOf(like[i] ?? '') : dataId(ring.only);
      sealed.push(
        id === undefined
          ? ciphers.legacy.cipher.seal(bytes, random.subarray(at, at + cbcSaltBytes))
          : `${id}:${ciphers.target(id).seal(bytes, random.subarray(at, at + gcmSaltBytes))}`,
      );
    }
    return sealed;
  },

  keeps(text, { only }) {
    return only === null || prefixOf(text) === dataId(only);
  },

  /** n8n reads anything that decodes to fewer than 16 bytes as ''. Text that is not base64 does not count as empty. */
  isEmpty(text) {
    return text.length < 24 && (canonicalBase64(text)?.length ?? 16) < 16;
  },

  /** Of the legacy form. The other one is longer; only a rotation to one data key changes the form (widths.ts). */
  sealedLength: cbcLength,

  prefixes(ring) {
    return [
      cbcPrefix,
      ...ring.names.filter((name) => name.startsWith('data:')).map((name) => `${name.slice(5)}:`),
    ];
  },
};

const longestId = 36;
const idShape = /^[A-Za-z0-9_-]{1,36}$/;

/** The text before the first colon, if it is short enough for the id of a data key. Its characters are not checked. */
function prefixOf(text: string): string | undefined {
  const colon = text.indexOf(':');
  return colon < 1 || colon > longestId ? undefined : text.slice(0, colon);
}

/** The data key of this name; undefined: the master key, whose values have no prefix. */
function dataId(only: string): string | undefined {
  return only.startsWith('data:') ? only.slice(5) : undefined;
}

function openLegacy(text: string, ciphers: Ciphers, { only }: Keyring): Opening {
  const bytes = parseCbc(text);
  if (bytes === 'foreign') return 'foreign';
  if (bytes === 'malformed' || (only !== null && dataId(only) !== undefined)) return 'closed';
  const { key, cipher } = ciphers.legacy;
  const plain = cipher.open(bytes);
  return plain === undefined ? 'closed' : { plain, key };
}

/** With a known id, the value is n8n's. With an unknown id, only if the whole layout follows. */
function openTagged(text: string, id: string, ciphers: Ciphers): Opening {
  const data = ciphers.data(id);
  if (data === undefined && !idShape.test(id)) return 'foreign';
  const bytes = parseGcm(text.slice(id.length + 1));
  if (data === undefined) return bytes === undefined ? 'foreign' : 'closed';
  const plain = bytes && data.cipher.open(bytes);
  return plain === undefined ? 'closed' : { plain, key: data.key };
}

/** The ciphers of one ring, each created once per batch and only when a value needs it. */
class Ciphers {
  readonly #ring: Keyring;
  #legacy: { readonly key: Key; readonly cipher: CbcCipher } | undefined;
  readonly #data = new Map<string, { readonly key: Key; readonly cipher: GcmCipher }>();

  constructor(ring: Keyring) {
    this.#ring = ring;
  }

  get legacy(): { readonly key: Key; readonly cipher: CbcCipher } {
    if (this.#legacy === undefined) {
      const key = this.#ring.named('legacy') ?? this.#ring.primary;
      this.#legacy = { key, cipher: new CbcCipher(key.text) };
    }
    return this.#legacy;
  }

  /** @throws KeyturnError `source-key` */
  target(id: string): GcmCipher {
    const data = this.data(id);
    if (data !== undefined) return data.cipher;
    throw new KeyturnError(
      'source-key',
      `a value names the data key "${id}", which is not among the keys of this run`,
    );
  }

  data(id: string): { readonly key: Key; readonly cipher: GcmCipher } | undefined {
    let made = this.#data.get(id);
    if (made === undefined) {
      const key = this.#ring.named(`data:${id}`);
      if (key === undefined) return undefined;
      made = { key, cipher: new GcmCipher(key.bytes) };
      this.#data.set(id, made);
    }
    return made;
  }
}
