import { type EncodingName, encodings } from './encoding.ts';
import type { Signature } from './signature.ts';

/** How a job describes AES-GCM ciphertext; defaults filled in, and checked (job/check-format.ts). Plain data. */
export interface AesGcmLayout {
  /** In order, each once: `nonce <bytes>`, `tag <bytes>`, `ciphertext`. */
  readonly layout: readonly string[];
  readonly encoding: EncodingName;
  /** Stands before everything, as it is; '' for none. */
  readonly prefix: string;
  /** Between the parts, each of which is then encoded on its own; '': all are encoded together. */
  readonly separator: string;
  /** The master key's bytes; SHA-256 of its text; HKDF (RFC 5869) of its bytes, salt and info as UTF-8. */
  readonly key:
    | 'raw'
    | 'sha256'
    | {
        readonly hkdf: {
          readonly hash: 'sha256' | 'sha384' | 'sha512';
          readonly salt: string;
          readonly info: string;
          readonly bytes: number;
        };
      };
  /** Additional authenticated data: the same for every value, as UTF-8. */
  readonly aad: string;
}

export interface Part {
  readonly name: 'nonce' | 'tag' | 'ciphertext';
  /** Null: whatever is left. */
  readonly bytes: number | null;
}

/** `nonce 12` as what it says. */
export function partOf(text: string): Part {
  const [name = '', bytes] = text.split(' ');
  return { name: name as Part['name'], bytes: bytes === undefined ? null : Number(bytes) };
}

export interface GcmValue {
  readonly nonce: Buffer;
  readonly tag: Buffer;
  readonly ciphertext: Buffer;
}

/** The text form of one layout. */
export class AesGcmText {
  readonly nonceBytes: number;
  readonly tagBytes: number;
  readonly #parts: readonly Part[];
  readonly #layout: AesGcmLayout;

  constructor(layout: AesGcmLayout) {
    this.#layout = layout;
    this.#parts = layout.layout.map(partOf);
    const bytesOf = (name: Part['name']): number =>
      this.#parts.find((part) => part.name === name)?.bytes ?? 0;
    this.nonceBytes = bytesOf('nonce');
    this.tagBytes = bytesOf('tag');
  }

  /** `'closed'`: it begins as one (there is a prefix), and is none. */
  parse(text: string): GcmValue | 'closed' | 'foreign' {
    const { prefix } = this.#layout;
    if (!text.startsWith(prefix)) return 'foreign';
    return this.#parsed(text.slice(prefix.length)) ?? (prefix === '' ? 'foreign' : 'closed');
  }

  /** @param like the old value, whose spelling (padding, case) is kept. */
  write(value: GcmValue, like: string): string {
    const { encoding, prefix, separator } = this.#layout;
    const { encode } = encodings[encoding];
    const old = like.slice(prefix.length);
    const parts = this.#parts.map(({ name }) => value[name]);
    if (separator === '') return prefix + encode(Buffer.concat(parts), old);
    const olds = old.split(separator);
    return prefix + parts.map((part, i) => encode(part, olds[i] ?? '')).join(separator);
  }

  /** Characters of a value of so many bytes of plaintext, at most. */
  length(plainBytes: number): number {
    const { encoding, prefix, separator } = this.#layout;
    const { length } = encodings[encoding];
    const sizes = this.#parts.map(({ bytes }) => bytes ?? plainBytes);
    const sum = (all: readonly number[]): number => all.reduce((total, size) => total + size, 0);
    return (
      prefix.length +
      (separator === ''
        ? length(sum(sizes))
        : sum(sizes.map((size) => length(size))) + separator.length * (sizes.length - 1))
    );
  }

  /** What a search can go by: it follows the alphabet of base64, which a separator and raw bytes leave. */
  get beginnings(): readonly string[] {
    const { encoding, prefix, separator } = this.#layout;
    return prefix === '' || separator !== '' || encoding === 'raw' ? [] : [prefix];
  }

  get signature(): Signature | undefined {
    const { encoding, prefix, separator } = this.#layout;
    const { alphabet, padding } = encodings[encoding];
    if (prefix === '' || alphabet === '') return undefined;
    const parts = separator === '' ? 1 : this.#parts.length;
    return { beginning: prefix, alphabet, padding, parts, separator };
  }

  #parsed(text: string): GcmValue | undefined {
    const pieces = this.#pieces(text);
    if (pieces === undefined) return undefined;
    const value: Record<Part['name'], Buffer | undefined> = {
      nonce: undefined,
      tag: undefined,
      ciphertext: undefined,
    };
    this.#parts.forEach(({ name, bytes }, i) => {
      const piece = pieces[i];
      if (bytes === null || piece?.length === bytes) value[name] = piece;
    });
    const { nonce, tag, ciphertext } = value;
    return nonce && tag && ciphertext && { nonce, tag, ciphertext };
  }

  /** The bytes of each part, whose lengths need not be right yet. */
  #pieces(text: string): (Buffer | undefined)[] | undefined {
    const { encoding, separator } = this.#layout;
    const { decode } = encodings[encoding];
    if (separator !== '') {
      const texts = text.split(separator);
      return texts.length === this.#parts.length ? texts.map(decode) : undefined;
    }
    const bytes = decode(text);
    const rest = bytes && bytes.length - this.nonceBytes - this.tagBytes;
    if (rest === undefined || rest < 0) return undefined;
    let at = 0;
    return this.#parts.map((part) => {
      const start = at;
      at += part.bytes ?? rest;
      return bytes?.subarray(start, at);
    });
  }
}
