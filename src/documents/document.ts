/** A part of a field's value that may be ciphertext. `start` and `end` are UTF-16 offsets of what `edit` replaces. */
export interface Leaf {
  /** Position in the document: '' for a whole value, '.a[2].b' for JSON, '[3]' for a list. */
  readonly path: string;
  /** The decoded text, without JSON escapes. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** The number of JSON strings around the leaf, which is how often it is escaped. Absent: the same for all leaves. */
  readonly within?: number;
}

export interface Edit {
  readonly leaf: Leaf;
  /** The new decoded text; the document encodes it. */
  readonly text: string;
}

/** How a field contains ciphertext. Knows no keys, no formats, no tables. */
export interface Document {
  readonly name: string;
  /** Leaves in order of position. Throws MalformedDocument if the value is not such a document. */
  leaves(value: string): Leaf[];
  /** Replaces leaves in place: all other characters stay as they are (invariant 7). */
  edit(value: string, edits: readonly Edit[]): string;
  /**
   * Reads the same leaves with another parser and no shared code, for the verifier: this finds a leaf that `leaves`
   * misses.
   */
  read(value: string): Iterable<{ readonly path: string; readonly text: string }>;
  /** The members of the object that contains the value at a path; empty if no object does. */
  siblings(value: string, path: string): Readonly<Record<string, unknown>>;
}

/** The value is not such a document. The message gives the offset, never the content. */
export class MalformedDocument extends Error {
  readonly offset: number;
  constructor(document: string, offset: number) {
    super(`not a ${document} document at offset ${offset}`);
    this.name = 'MalformedDocument';
    this.offset = offset;
  }
}
