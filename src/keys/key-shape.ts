/** base64url: the alphabet of RFC 4648, section 5; with padding, as Fernet has it. It is read without padding, and in the standard alphabet, too. */
export type KeyEncoding = 'base64' | 'base64url' | 'hex';

/** What a system's master key looks like; a job file says it (its `key`). */
export interface KeyShape {
  /** How the key is written: the key is that very text, or the bytes that it encodes. */
  readonly form: 'text' | KeyEncoding;
  /** What the application itself strips: nothing, white space around, or that and then one pair of quotes. */
  readonly trim: 'none' | 'space' | 'quotes';
  /** Allowed lengths of the bytes; default any. */
  readonly bytes?: readonly number[] | undefined;
  readonly generate: { readonly bytes: number; readonly as: KeyEncoding };
}
