/**
 * base64url: the alphabet of RFC 4648, section 5. Written with padding, as Fernet does; read with or without it, and in
 * the standard alphabet too.
 */
export type KeyEncoding = 'base64' | 'base64url' | 'hex';

/** What the keys of a job look like: the master key, and further ones by their names. */
export interface KeyShapes {
  readonly key: KeyShape;
  readonly keys?: Readonly<Record<string, FurtherKeyShape>> | undefined;
}

export interface FurtherKeyShape extends KeyShape {
  /** It is no secret to be replaced, such as a salt: the run leaves it as it is. */
  readonly stays?: boolean | undefined;
}

/** What a system's master key looks like; the field `key` of a job file. */
export interface KeyShape {
  /** How the key is written. `text`: the key is the text itself; otherwise the bytes that it encodes. */
  readonly form: 'text' | KeyEncoding;
  /** What the application itself strips: nothing, surrounding white space, or that and then one pair of quotes. */
  readonly trim: 'none' | 'space' | 'quotes';
  /** Text keys may be written as a list with commas between them. Keys that are encoded always may: no encoding has a comma. */
  readonly list?: boolean | undefined;
  /** Allowed lengths in bytes; default: any. */
  readonly bytes?: readonly number[] | undefined;
  readonly generate: {
    readonly bytes: number;
    readonly as: KeyEncoding;
    /** Before the encoded bytes, as the application writes it: `base64:`. Only for keys that are text. */
    readonly prefix?: string | undefined;
  };
}
