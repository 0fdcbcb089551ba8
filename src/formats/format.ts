import type { Cipher, Decipher } from 'node:crypto';
import type { Key } from '../keys/key.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Signature } from './signature.ts';

/**
 * The three outcomes of opening a value (never a guess between them):
 * - `{plain, key}`: it opened, with that key;
 * - `'foreign'`: it is not of this format at all;
 * - `'closed'`: it is of this format, and does not open with this ring.
 */
export type Opening = { readonly plain: Buffer; readonly key: Key } | 'foreign' | 'closed';

/** A format over whole files, a stretch at a time: a file may be larger than memory. */
export interface FileCipher {
  /** Bytes that stand before the ciphertext. */
  readonly headBytes: number;
  /** The last bytes of a file, which tell whether a key seems to open it. */
  readonly tailBytes: number;
  /** By its length alone: false for what is not of this format. */
  mayBe(bytes: number): boolean;
  opensTail(tail: Buffer, key: Key): boolean;
  /** For what follows the head. `final` throws when it does not open after all. */
  opener(head: Buffer, key: Key): Decipher;
  sealer(key: Key): { readonly head: Buffer; readonly cipher: Cipher };
}

/**
 * One system's stored ciphertext layout and cipher. Knows no tables and no documents.
 * Opens and seals batches, so that an implementation can share work between values.
 */
export interface Format {
  readonly name: string;
  /** False: a wrong key can seem to open a value (1 in 255 for CBC padding), so plaintexts are checked (invariant 6). */
  readonly authenticated: boolean;
  /**
   * Chance that a wrong key seems to open one value of this format, at most: the figure for the shortest ciphertext of the
   * weakest form. It assumes that a wrong key yields random bytes. Below 2^-40 an opening proves the key.
   */
  readonly odds: number;
  /** How ciphertext travels: as text, or as bytes that stand for one character each (a binary column). */
  readonly carries: 'text' | 'bytes';
  /** Bytes of the master key that the cipher takes as they are; absent: any key, for one is derived from it. */
  readonly keyLengths?: readonly number[];
  /** By which values are told from the text around them; absent: they begin with nothing of their own. */
  readonly signature?: Signature;
  /** Absent: files are never of this format. */
  readonly files?: FileCipher;
  /** One outcome per value, in order. Never throws for bad data. */
  open(sealed: readonly string[], ring: Keyring): Opening[];
  /**
   * Seals under the ring's keys; `like[i]` is the ciphertext that `plain[i]` came from: its generation is kept, and its
   * length and alphabet with it, so that it fits where it stood (rotation/widths.ts).
   */
  seal(plain: readonly Buffer[], ring: Keyring, like: readonly string[]): string[];
  /** The stored form of the application's "nothing here" (n8n: input of fewer than 16 bytes): left as it is. */
  isEmpty(text: string): boolean;
  /** Characters that `seal` stores for so many bytes of plaintext; for column widths. */
  sealedLength(plainBytes: number): number;
  /**
   * Literal beginnings of every ciphertext of this format, for finding candidates in text that no field declares.
   * Empty: this format cannot be searched for. Depends on the ring where values name their key.
   */
  prefixes(ring: Keyring): readonly string[];
  /** What within a text has this format's shape, the text as a whole included. Absent: `prefixes` tell. */
  within?(text: string): string[];
}
