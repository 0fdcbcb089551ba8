import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Key } from '../keys/key.ts';
import { base64Length, canonicalBase64 } from './base64.ts';
import { blockBytes, type CbcValue, cbcBytes, openCbc, paddingOdds, sealCbc } from './cbc-lanes.ts';
import { encodings } from './encoding.ts';
import type { FileCipher, Format, Opening } from './format.ts';
import { keyBytesFor } from './key-bytes.ts';
import { octopusBulk } from './octopus-bulk.ts';

/**
 * What Octopus Deploy stores: AES-CBC with PKCS#7 padding, a random IV per value, and the master key as AES key. Taken
 * from the vendor's published code (Octostache, Calamari) and checked against openssl. There is no key id and no MAC:
 * only the master key is tried, and the job says what plaintexts look like (invariant 6).
 */

/** Servers before 2024.4 generate keys of 16 bytes, later ones of 32. */
const keyLengths = [16, 32];

/** The sensitive value of a column or a JSON string: base64(ciphertext) ‖ "|" ‖ base64(IV). */
export const octopus: Format = {
  ...cbcFormat({
    name: 'octopus',
    carries: 'text',

    parse(text) {
      const bar = text.length - base64Length(blockBytes) - 1;
      // Other text can contain a bar too; a value contains exactly one
      if (bar < 1 || text.indexOf('|') !== bar) return undefined;
      const sealed = canonicalBase64(text.slice(0, bar));
      const iv = canonicalBase64(text.slice(bar + 1));
      return sealed === undefined || iv === undefined ? undefined : { iv, sealed };
    },

    write({ iv, sealed }) {
      return `${sealed.toString('base64')}|${iv.toString('base64')}`;
    },

    length(sealedBytes) {
      return base64Length(sealedBytes) + 1 + base64Length(blockBytes);
    },
  }),
  bulk: octopusBulk((key) => keyBytesFor('octopus', key, keyLengths)),
  within,
};

/** Searches by the bars, so that long text without candidates costs no more than its length. */
function within(text: string): string[] {
  const found: string[] = [];
  let done = 0;
  for (let bar = text.indexOf('|'); bar >= 0; bar = text.indexOf('|', bar + 1)) {
    const [iv] = /^[A-Za-z0-9+/]{22}==/.exec(text.slice(bar + 1, bar + 1 + base64Length(blockBytes))) ?? [];
    let start = bar;
    while (start > done && text[start - 1] === '=' && bar - start < 2) start--;
    while (start > done && /[A-Za-z0-9+/]/.test(text[start - 1] ?? '')) start--;
    if (iv !== undefined && start < bar) found.push(text.slice(start, bar + 1 + iv.length));
    done = bar + 1;
  }
  return found;
}

/** A binary column or a file: IV ‖ ciphertext, as one character (U+0000 to U+00FF) per byte. */
export const octopusStream: Format = {
  ...cbcFormat({
    name: 'octopus-stream',
    carries: 'bytes',

    parse(text) {
      const bytes = encodings.raw.decode(text);
      return bytes && { iv: bytes.subarray(0, blockBytes), sealed: bytes.subarray(blockBytes) };
    },

    write({ iv, sealed }) {
      return iv.toString('latin1') + sealed.toString('latin1');
    },

    length(sealedBytes) {
      return blockBytes + sealedBytes;
    },
  }),
  files: streamFiles(),
};

function streamFiles(): FileCipher {
  const algorithm = (key: Key): [string, Buffer] => {
    const bytes = keyBytesFor('octopus-stream', key, keyLengths);
    return [`aes-${bytes.length * 8}-cbc`, bytes];
  };
  return {
    headBytes: blockBytes,
    // The last block, which contains the padding, and the one before it, which serves as its IV
    tailBytes: 2 * blockBytes,

    mayBe(bytes) {
      return bytes >= 2 * blockBytes && bytes % blockBytes === 0;
    },

    opensTail(tail, key) {
      const decipher = createDecipheriv(...algorithm(key), tail.subarray(0, blockBytes));
      try {
        decipher.update(tail.subarray(blockBytes));
        decipher.final();
        return true;
      } catch {
        return false;
      }
    },

    opener(head, key) {
      return createDecipheriv(...algorithm(key), head);
    },

    sealer(key) {
      const head = randomBytes(blockBytes);
      return { head, cipher: createCipheriv(...algorithm(key), head) };
    },
  };
}

interface Layout {
  readonly name: string;
  readonly carries: Format['carries'];
  /** Undefined: not this layout. Lengths are not checked against the cipher yet. */
  parse(text: string): CbcValue | undefined;
  write(value: CbcValue): string;
  /** Length in characters of a value with that many bytes of ciphertext. */
  length(sealedBytes: number): number;
}

function cbcFormat(layout: Layout): Format {
  return {
    name: layout.name,
    authenticated: false,
    odds: paddingOdds,
    random: true,
    carries: layout.carries,
    keyLengths,

    open(sealed, ring) {
      const key = ring.primary;
      const values = sealed.map((text) => {
        const value = layout.parse(text);
        return value !== undefined && isCbc(value) ? value : undefined;
      });
      const opened = openCbc(
        keyBytesFor(layout.name, key, keyLengths),
        values.filter((value) => value !== undefined),
      );
      let next = 0;
      return values.map((value): Opening => {
        if (value === undefined) return 'foreign';
        const plain = opened[next++];
        return plain === undefined ? 'closed' : { plain, key };
      });
    },

    seal(plain, ring) {
      return sealCbc(keyBytesFor(layout.name, ring.primary, keyLengths), plain).map(layout.write);
    },

    isEmpty(text) {
      return text === '';
    },

    sealedLength(plainBytes) {
      return layout.length(cbcBytes(plainBytes));
    },

    // Values begin with ciphertext or an IV: there is no fixed beginning
    prefixes() {
      return [];
    },
  };
}

function isCbc({ iv, sealed }: CbcValue): boolean {
  return iv.length === blockBytes && sealed.length > 0 && sealed.length % blockBytes === 0;
}
