/** What tells the values of a format from the text around them. Plain data, for documents know no formats. */
export interface Signature {
  /** What every value begins with. */
  readonly beginning: string;
  /** All characters of the encoding that follows, without padding. */
  readonly alphabet: string;
  /** Maximum number of padding characters ("="). */
  readonly padding: number;
  /** Number of parts that are encoded on their own, and what separates them. */
  readonly parts: number;
  readonly separator: string;
}
