import type { Constant } from './described/description.ts';
import { type EncodingName, encodings } from './encoding.ts';
import type { Signature } from './signature.ts';

/** How a job describes AES-GCM ciphertext, with defaults filled in and checked (job/check-format.ts). Plain data. */
export interface AesGcmLayout {
  /** The parts in order, each once: `nonce <bytes>`, `tag <bytes>`, `ciphertext`. */
  readonly layout: readonly string[];
  readonly encoding: EncodingName;
  /** What every value begins with, not encoded; '' for none. */
  readonly prefix: string;
  /** Separates the parts, each of which is then encoded on its own; '': all parts are encoded together. */
  readonly separator: string;
  /** The master key's bytes; SHA-256 of its text; or HKDF (RFC 5869) of its bytes, with salt and info as UTF-8. */
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
  /** Additional authenticated data, as UTF-8. What is not a text is left to a description. */
  readonly aad: Constant;
}

export interface Part {
  readonly name: 'nonce' | 'tag' | 'ciphertext';
  /** Null: the rest. */
  readonly bytes: number | null;
}

/** Parses `nonce 12`. */
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

  /** `'closed'`: the text has the prefix, but not the layout. */
  parse(text: string): GcmValue | 'closed' | 'foreign' {
    const { prefix } = this.#layout;
    if (!text.startsWith(prefix)) return 'foreign';
    return this.#parsed(text.slice(prefix.length)) ?? (prefix === '' ? 'foreign' : 'closed');
  }

  /** @param like the old value, whose padding and case are kept. */
  write(value: GcmValue, like: string): string {
    const { encoding, prefix, separator } = this.#layout;
    const { encode } = encodings[encoding];
    const old = like.slice(prefix.length);
    const parts = this.#parts.map(({ name }) => value[name]);
    if (separator === '') return prefix + encode(Buffer.concat(parts), old);
    const olds = old.split(separator);
    return prefix + parts.map((part, i) => encode(part, olds[i] ?? '')).join(separator);
  }

  /** Maximum length in characters of a value with that many bytes of plaintext. */
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

  /** Empty if values are not one run of base64 characters, which is all that a search can follow. */
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

  /** The bytes of each part; their lengths are not checked yet. */
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
