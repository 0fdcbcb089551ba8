import { scryptSync, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

/** A key in transit between two threads of one process; never sent anywhere else. */
export interface SentKey {
  readonly bytes: Uint8Array;
  readonly isText: boolean;
  readonly text: string | undefined;
  readonly id: string;
}

/**
 * An encryption key that does not print or serialise itself: whatever formats it gets `[key <id>]`.
 * `text` is the form in the application's configuration; `bytes` are the raw key, or the UTF-8 of a text key.
 */
export class Key {
  readonly #bytes: Buffer;
  readonly #text: string | undefined;
  /** Whether the application uses the key as text rather than as raw bytes. */
  readonly isText: boolean;
  #id: string | undefined;

  private constructor(bytes: Buffer, isText: boolean, text?: string, id?: string) {
    this.#bytes = bytes;
    this.#text = text;
    this.isText = isText;
    this.#id = id;
  }

  static fromText(text: string): Key {
    return new Key(Buffer.from(text, 'utf8'), true, text);
  }

  /** A key from another thread of this process. */
  static received({ bytes, isText, text, id }: SentKey): Key {
    return new Key(Buffer.from(bytes), isText, text, id);
  }

  /** @param text how the application's configuration writes these bytes; default base64. */
  static fromBytes(bytes: Uint8Array, text?: string): Key {
    return new Key(Buffer.from(bytes), false, text);
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The text form. For a raw key: as it was written, or its base64. */
  get text(): string {
    return this.#text ?? this.#bytes.toString('base64');
  }

  /**
   * Public fingerprint, safe to log: first 8 bytes, hex, of scrypt(bytes, `keyturn/key-id/v1`, N=2^15, r=8, p=1).
   * Deliberately slow (about 80 ms): some systems use keys that people choose. Computed on first use, then kept.
   */
  get id(): string {
    this.#id ??= scryptSync(this.#bytes, 'keyturn/key-id/v1', 8, {
      N: 2 ** 15,
      r: 8,
      p: 1,
      maxmem: 64 * 1024 * 1024,
    }).toString('hex');
    return this.#id;
  }

  /** For another thread of this process. The id goes with it, so that it is not computed again. */
  sent(): SentKey {
    return { bytes: this.#bytes, isText: this.isText, text: this.#text, id: this.id };
  }

  equals(other: Key): boolean {
    return this.#bytes.length === other.#bytes.length && timingSafeEqual(this.#bytes, other.#bytes);
  }

  toString(): string {
    return `[key ${this.id}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
