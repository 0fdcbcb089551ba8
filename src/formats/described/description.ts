import { type CipherName, traitsOf } from './cipher.ts';
import type { Padding } from './padding.ts';

export type HashName = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** A text as UTF-8; bytes; a further key of the job; what a column of the row contains; or where the value is. */
type Atom =
  | string
  | { readonly hex: string }
  | { readonly key: string }
  | { readonly column: string }
  | { readonly place: 'table' | 'column' | 'member' };

/** Several are one after the other. */
export type Constant = Atom | readonly Atom[];

/** A salt: the same for all values, or a part of each. */
export type Salt = Constant | { readonly part: 'salt' };

/** One step on the way from the master key to the bytes that a cipher or a MAC needs. */
export type KeyStep =
  | 'utf8'
  | 'latin1'
  | 'hex'
  | 'base64'
  | 'base64url'
  | 'to-hex'
  | 'to-base64'
  | HashName
  /** A further key of the job, in the place of the master key. */
  | { readonly key: string }
  /** What follows `strip` is decoded; a key without it is used as it is. */
  | { readonly strip: string; readonly decode?: 'hex' | 'base64' | 'base64url' | undefined }
  | { readonly slice: readonly [number] | readonly [number, number] }
  | { readonly append: Constant }
  | { readonly prepend: Constant }
  | { readonly fold: number }
  | { readonly hmac: { readonly hash: HashName; readonly of: Constant } }
  | {
      readonly hkdf: {
        readonly hash: HashName;
        readonly salt: Salt;
        readonly info: Constant;
        readonly bytes: number;
      };
    }
  | {
      readonly pbkdf2: {
        readonly hash: HashName;
        readonly salt: Salt;
        readonly iterations: number;
        readonly bytes: number;
      };
    }
  | {
      readonly scrypt: {
        readonly salt: Salt;
        readonly N: number;
        readonly r: number;
        readonly p: number;
        readonly bytes: number;
      };
    }
  | {
      readonly 'evp-bytes-to-key': {
        readonly hash: HashName;
        readonly salt: Salt;
        readonly iterations: number;
        readonly bytes: number;
      };
    };

/** What is around the parts, from the outside in. */
export type Layer =
  | 'base64'
  | 'base64url'
  | 'hex'
  | { readonly prefix: string }
  | { readonly suffix: string };

/** A part (`iv 16`), several that are encoded together (`ciphertext + tag 16 base64url`), or bytes that never change. */
export type PieceText = string | { readonly text: string } | { readonly hex: string };

/** A part in a column of its own, which may have a fixed beginning. */
export type ColumnText = string | { readonly prefix: string; readonly part: string };

export type MacPart = string | { readonly text: string };

/** How a job describes the layout and the cipher of stored values, with defaults filled in. Plain data. */
export interface Description {
  readonly name?: string | undefined;
  readonly layers: readonly Layer[];
  /** Exactly one of `parts`, `separated`, `json` and `columns`. */
  readonly parts?: readonly PieceText[] | undefined;
  readonly separated?: { readonly by: string; readonly parts: readonly PieceText[] } | undefined;
  readonly json?: Readonly<Record<string, string>> | undefined;
  readonly columns?: readonly ColumnText[] | undefined;
  readonly cipher: CipherName;
  readonly padding: Padding;
  readonly iv?:
    | { readonly hex: string }
    | { readonly key: readonly KeyStep[] }
    | { readonly hmac: HashName }
    | { readonly hash: HashName; readonly as?: 'hex' | undefined }
    | undefined;
  readonly key: readonly KeyStep[];
  readonly mac?:
    | {
        readonly hash: HashName;
        readonly over: readonly MacPart[];
        readonly key?: readonly KeyStep[] | undefined;
      }
    | undefined;
  readonly keyId?: readonly KeyStep[] | undefined;
  /** `part`: the text of a part, as it is stored. */
  readonly aad: Constant | { readonly part: 'kept' };
}

/** A description as a job file has it: the padding may be left out. */
export type DescriptionFile = Omit<Description, 'padding'> & { readonly padding?: Padding | undefined };

export function complete(file: DescriptionFile): Description {
  return { ...file, padding: file.padding ?? (traitsOf(file.cipher).blocks ? 'pkcs7' : 'none') };
}
