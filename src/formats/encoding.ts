import { base64Length } from './base64.ts';

/** A text encoding of bytes. */
export interface Encoding {
  /** All its characters but the padding; '': it may hold any. */
  readonly alphabet: string;
  /** The most characters of padding. */
  readonly padding: number;
  /** Undefined unless `encode` can produce exactly this text. */
  decode(text: string): Buffer | undefined;
  /** If the encoding has two forms (padded or not, lower or upper case), uses that of `like`. */
  encode(bytes: Buffer, like: string): string;
  /** Maximum length in characters of that many bytes. */
  length(bytes: number): number;
}

const alphanumeric = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** RFC 4648. Padding is complete or absent. Node decodes leniently, so the result is encoded again and compared. */
function base64(alphabet: 'base64' | 'base64url'): Encoding {
  const padded = (bytes: Buffer): string => {
    const text = bytes.toString(alphabet);
    return text.padEnd(base64Length(bytes.length), '=');
  };
  const unpadded = (bytes: Buffer): string => bytes.toString(alphabet).replace(/=+$/, '');
  return {
    alphabet: alphanumeric + (alphabet === 'base64' ? '+/' : '-_'),
    padding: 2,
    decode(text) {
      const bytes = Buffer.from(text, alphabet);
      return text === padded(bytes) || text === unpadded(bytes) ? bytes : undefined;
    },
    encode(bytes, like) {
      return like.length % 4 === 0 ? padded(bytes) : unpadded(bytes);
    },
    length: base64Length,
  };
}

const hex: Encoding = {
  alphabet: '0123456789ABCDEFabcdef',
  padding: 0,
  decode(text) {
    const bytes = Buffer.from(text, 'hex');
    const lower = bytes.toString('hex');
    return text === lower || text === lower.toUpperCase() ? bytes : undefined;
  },
  encode(bytes, like) {
    const lower = bytes.toString('hex');
    return /[A-F]/.test(like) ? lower.toUpperCase() : lower;
  },
  length(bytes) {
    return 2 * bytes;
  },
};

/** Binary columns are passed as strings with one character per byte: U+0000 to U+00FF. */
const raw: Encoding = {
  alphabet: '',
  padding: 0,
  decode(text) {
    const bytes = Buffer.from(text, 'latin1');
    return bytes.toString('latin1') === text ? bytes : undefined;
  },
  encode(bytes) {
    return bytes.toString('latin1');
  },
  length(bytes) {
    return bytes;
  },
};

/** Ruby's `[bytes].pack("m")`: base64 with a line end after every 60 characters and at the end. */
const packed: Encoding = {
  alphabet: '',
  padding: 2,
  decode(text) {
    const bytes = Buffer.from(text, 'base64');
    return text === packed.encode(bytes, '') ? bytes : undefined;
  },
  encode(bytes) {
    return bytes.toString('base64').replace(/.{1,60}/g, '$&\n');
  },
  length(bytes) {
    const length = base64Length(bytes);
    return length + Math.ceil(length / 60);
  },
};

export const encodings = {
  base64: base64('base64'),
  base64url: base64('base64url'),
  hex,
  raw,
  'pack-m': packed,
} as const;
export type EncodingName = keyof typeof encodings;
