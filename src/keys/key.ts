import { hash, scryptSync, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

/** A key in transit between two threads of one process; never sent anywhere else. */
export interface SentKey {
  readonly bytes: Uint8Array;
  readonly isText: boolean;
  readonly text: string | undefined;
  readonly id: string;
  readonly parts: readonly (readonly [string, SentKey])[];
}

const noParts: ReadonlyMap<string, Key> = new Map();

/**
 * An encryption key that does not print or serialise itself: whatever formats it gets `[key <id>]`.
 * `text` is the form in the application's configuration; `bytes` are the raw key, or the UTF-8 of a text key.
 *
 * An application may have further keys, with names. They are parts of its master key here: whoever has the one has the
 * others, and its id and its equality cover them.
 */
export class Key {
  readonly #bytes: Buffer;
  readonly #text: string | undefined;
  /** Whether the application uses the key as text rather than as raw bytes. */
  readonly isText: boolean;
  readonly parts: ReadonlyMap<string, Key>;
  #id: string | undefined;
  readonly #asMaster = new Map<string, Key>();

  private constructor(bytes: Buffer, isText: boolean, text?: string, id?: string, parts = noParts) {
    this.#bytes = bytes;
    this.#text = text;
    this.isText = isText;
    this.#id = id;
    this.parts = parts;
  }

  static fromText(text: string): Key {
    return new Key(Buffer.from(text, 'utf8'), true, text);
  }

  /** A key from another thread of this process. */
  static received({ bytes, isText, text, id, parts }: SentKey): Key {
    const received = new Map(parts.map(([name, part]) => [name, Key.received(part)]));
    return new Key(Buffer.from(bytes), isText, text, id, received);
  }

  /** @param text how the application's configuration writes these bytes; default base64. */
  static fromBytes(bytes: Uint8Array, text?: string): Key {
    return new Key(Buffer.from(bytes), false, text);
  }

  /** This key with these further keys, instead of those that it has. */
  with(parts: ReadonlyMap<string, Key>): Key {
    return new Key(this.#bytes, this.isText, this.#text, undefined, parts);
  }

  /** The further key with this name, in the place of the master key. Undefined: there is none. */
  part(name: string): Key | undefined {
    const part = this.parts.get(name);
    if (part === undefined) return undefined;
    const known = this.#asMaster.get(name) ?? part.with(this.parts);
    this.#asMaster.set(name, known);
    return known;
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
   * With further keys: of the ids of all, so that a key id names all of them.
   */
  get id(): string {
    this.#id ??= this.parts.size === 0 ? this.#ownId() : this.#idOfAll();
    return this.#id;
  }

  #idOfAll(): string {
    const parts = [...this.parts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { id }]) => [name, id]);
    return hash('sha256', JSON.stringify([this.#ownId(), ...parts])).slice(0, 16);
  }

  #ownId(): string {
    return scryptSync(this.#bytes, 'keyturn/key-id/v1', 8, {
      N: 2 ** 15,
      r: 8,
      p: 1,
      maxmem: 64 * 1024 * 1024,
    }).toString('hex');
  }

  /** For another thread of this process. The id goes with it, so that it is not computed again. */
  sent(): SentKey {
    const parts = [...this.parts].map(([name, part]) => [name, part.sent()] as const);
    return { bytes: this.#bytes, isText: this.isText, text: this.#text, id: this.id, parts };
  }

  equals(other: Key): boolean {
    if (this.#bytes.length !== other.#bytes.length || !timingSafeEqual(this.#bytes, other.#bytes))
      return false;
    const names = new Set([...this.parts.keys(), ...other.parts.keys()]);
    return [...names].every((name) => {
      const [mine, theirs] = [this.parts.get(name), other.parts.get(name)];
      return mine !== undefined && theirs !== undefined && mine.equals(theirs);
    });
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
