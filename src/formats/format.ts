import type { Cipher, Decipher } from 'node:crypto';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Texts } from '../texts.ts';
import type { Signature } from './signature.ts';

/**
 * The three outcomes of opening a value; a format never guesses between them:
 * - `{plain, key}`: that key opened it;
 * - `'foreign'`: it is not of this format;
 * - `'closed'`: it is of this format, but no key of the ring opens it.
 */
export type Opening = { readonly plain: Buffer; readonly key: Key } | 'foreign' | 'closed';

/** Where a value is, for formats whose keys or additional data depend on it. */
export interface Place {
  readonly table: string;
  readonly column: string;
  /** Name of the last member on the path inside a document; the column, if the value is the whole of it. */
  readonly member: string;
  /** What other columns of the row contain. */
  readonly columns: Readonly<Record<string, string | null>>;
}

/** Opens and seals many short values at once, without a Buffer or a string for each. */
export interface BulkCipher {
  /** The key of the ring that opens the values. Absent: the primary one. */
  key?(ring: Keyring): Key;
  /**
   * The plaintexts under that key. Where there is none, the length is `bulkClosed` or `bulkForeign`, with
   * the meaning of `Opening`, or `bulkSlow`: `open` must be asked.
   */
  open(sealed: Texts, ring: Keyring): Texts;
  /** As `Format.seal`. Every text has a length of 0 or more. */
  seal(plain: Texts, ring: Keyring, like: Texts): Texts;
}

export const bulkClosed = -1;
export const bulkForeign = -2;
export const bulkSlow = -3;

/** A format for whole files, which are streamed: a file may be larger than memory. */
export interface FileCipher {
  /** Bytes before the ciphertext. */
  readonly headBytes: number;
  /** How many of a file's last bytes show whether a key seems to open it. */
  readonly tailBytes: number;
  /** Whether a file of this length can be of this format. */
  mayBe(bytes: number): boolean;
  opensTail(tail: Buffer, key: Key): boolean;
  /** For what follows the head. `final` throws if the key does not open the file. */
  opener(head: Buffer, key: Key): Decipher;
  sealer(key: Key): { readonly head: Buffer; readonly cipher: Cipher };
}

/**
 * Layout and cipher of one system's ciphertext. Knows no tables and no documents.
 * Opens and seals batches, so that an implementation can share work between values.
 */
export interface Format {
  readonly name: string;
  /** False: a wrong key can seem to open a value (`odds`), so plaintexts are checked too (invariant 6). */
  readonly authenticated: boolean;
  /**
   * Chance that a wrong key seems to open one value of this format, at most: the figure for the shortest ciphertext of
   * the weakest form. It assumes that a wrong key yields random bytes. Below 2^-40 an opening proves the key.
   */
  readonly odds: number;
  /**
   * Every value has a salt, an IV or a time stamp of its own, so that equal plaintexts have equal ciphertexts only where a
   * value was copied; or equal plaintexts are sealed to equal ciphertexts again. False: the application may derive the nonce
   * from the plaintext, and sealing does not.
   */
  readonly random: boolean;
  /** How ciphertext is passed: as text, or (a binary column) as bytes with one character each. */
  readonly carries: 'text' | 'bytes';
  /** Lengths in bytes of the master keys that the cipher uses as they are. Absent: any, since the key is derived. */
  readonly keyLengths?: readonly number[];
  /** Distinguishes values from the text around them. Absent: values have no fixed beginning. */
  readonly signature?: Signature;
  /** Absent: values are opened and sealed by `open` and `seal` only. */
  readonly bulk?: BulkCipher;
  /** Absent: the format is not used for files. */
  readonly files?: FileCipher;
  /** What of a value's place the format depends on. Absent: nothing. */
  readonly needs?: { readonly columns: readonly string[] };
  /** One opening per value, in order. Never throws for bad data. @param places of the values, for formats that need them */
  open(sealed: readonly string[], ring: Keyring, places?: readonly Place[]): Opening[];
  /**
   * Seals under the keys of the ring. `like[i]` is the ciphertext that `plain[i]` was opened from: the result has the
   * same form, and so the same length and alphabet, and fits its column (inventory/widths.ts).
   */
  seal(plain: readonly Buffer[], ring: Keyring, like: readonly string[], places?: readonly Place[]): string[];
  /**
   * Whether a value that a key of the ring opens has the form of the only key that values may be under (`Keyring.only`).
   * Absent: each key has the same form.
   */
  keeps?(text: string, ring: Keyring): boolean;
  /** Whether the application reads this as "no value" (n8n: fewer than 16 bytes). Such a value is left as it is. */
  isEmpty(text: string): boolean;
  /** Length in characters of what `seal` makes of that many bytes of plaintext; for column widths. */
  sealedLength(plainBytes: number): number;
  /**
   * With what every ciphertext of this format begins, to find candidates in text that no field declares.
   * Empty: this format cannot be searched for. Depends on the ring if values name their key.
   */
  prefixes(ring: Keyring): readonly string[];
  /** Parts of a text that have this format's shape, possibly all of it. Absent: search by `prefixes`. */
  within?(text: string): string[];
}

/** Whether a value stays as it is in this ring, once a key has opened it. */
export function isKept({ keeps }: Pick<Format, 'keeps'>, text: string, key: Key, ring: Keyring): boolean {
  return ring.holds(key) && (keeps === undefined || keeps(text, ring));
}

/** Whether an opening proves the key: a wrong key seems to open fewer than one value in 2^40. */
export function provesKey({ odds }: Pick<Format, 'odds'>): boolean {
  return odds < 2 ** -40;
}
