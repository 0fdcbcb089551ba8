/** What tells the values of a format from the text around them. Plain data, for documents know no formats. */
export interface Signature {
  /** What every value begins with. */
  readonly beginning: string;
  /** All characters of the encoding behind it, without padding. */
  readonly alphabet: string;
  /** The most characters of padding ("="). */
  readonly padding: number;
  /** Parts that are encoded on their own, and what stands between them. */
  readonly parts: number;
  readonly separator: string;
}
