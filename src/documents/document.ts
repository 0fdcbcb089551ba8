/** One place in a field's value that may carry ciphertext. `start`/`end` are UTF-16 offsets of what `edit` replaces. */
export interface Leaf {
  /** Where in the document: '' for a whole value, '.a[2].b' for JSON, '[3]' for a list. */
  readonly path: string;
  /** The decoded text (JSON escapes undone). */
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** How many JSON strings it stands inside, where that is not the same for all leaves: so often it is escaped. */
  readonly within?: number;
}

export interface Edit {
  readonly leaf: Leaf;
  /** The new decoded text; the document encodes it. */
  readonly text: string;
}

/** How a field carries ciphertext. Knows no keys, no formats, no tables. */
export interface Document {
  readonly name: string;
  /** Leaves in order of position. Throws MalformedDocument when the value is not such a document. */
  leaves(value: string): Leaf[];
  /** Replaces leaves in place: every character outside them stays as it was (invariant 7). */
  edit(value: string, edits: readonly Edit[]): string;
  /**
   * The same leaves by another road (another parser, no shared code), for the verifier: a leaf that `leaves`
   * missed is found here.
   */
  read(value: string): Iterable<{ readonly path: string; readonly text: string }>;
  /** What the document says beside the value at a path: the members of the object that holds it; empty where none does. */
  siblings(value: string, path: string): Readonly<Record<string, unknown>>;
}

/** The value is not such a document. Says where, never what. */
export class MalformedDocument extends Error {
  readonly offset: number;
  constructor(document: string, offset: number) {
    super(`not a ${document} document at offset ${offset}`);
    this.name = 'MalformedDocument';
    this.offset = offset;
  }
}
