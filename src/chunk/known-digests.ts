import { digestBytes, entryBytes } from './digest.ts';

/** Digests that the rotation took, by row. Each is taken once: what is left at the end is of rows that are gone. */
export class KnownDigests {
  /** Of the range itself, in the order in which its rows were rotated. */
  readonly #range: Buffer;
  /** Entries of the range before this one were taken in order. */
  #next = 0;
  /** The entries that are left, by the digest of their row id. Null: as long as all are taken in order. */
  #byId: Map<string, string> | null = null;

  /** @param packed entries of the range, then of its sweeps. Of several entries for one row, the last counts. */
  constructor(packed: readonly Buffer[]) {
    this.#range = packed[0] ?? Buffer.alloc(0);
    if (packed.length > 1) this.#byId = unpackDigests(packed);
  }

  get left(): number {
    return this.#byId?.size ?? this.#range.length / entryBytes - this.#next;
  }

  /** The digest of the row; undefined: the rotation did not read it. */
  take(id: string): string | undefined {
    const known = this.#map();
    const digest = known.get(id);
    known.delete(id);
    return digest;
  }

  /**
   * Takes the next entry if it is this one, as when rows are read in the order in which they were rotated.
   * @param entries where the entry begins at `at`
   */
  takeEqual(entries: Buffer, at: number): boolean {
    if (this.#byId !== null) return this.#takeEqualOf(this.#byId, entries, at);
    const start = this.#next * entryBytes;
    if (start + entryBytes > this.#range.length) return false;
    if (this.#range.compare(entries, at, at + entryBytes, start, start + entryBytes) === 0) {
      this.#next++;
      return true;
    }
    return this.#takeEqualOf(this.#map(), entries, at);
  }

  forget(id: string): void {
    this.#map().delete(id);
  }

  #takeEqualOf(known: Map<string, string>, entries: Buffer, at: number): boolean {
    const id = entries.toString('latin1', at, at + digestBytes);
    if (known.get(id) !== entries.toString('latin1', at + digestBytes, at + entryBytes)) return false;
    known.delete(id);
    return true;
  }

  #map(): Map<string, string> {
    this.#byId ??= unpackDigests([this.#range.subarray(this.#next * entryBytes)]);
    return this.#byId;
  }
}

/** Digest of the row id → digest of the row, as binary strings. Of several entries for one row, the last counts. */
export function unpackDigests(packed: readonly Buffer[]): Map<string, string> {
  const known = new Map<string, string>();
  for (const digests of packed) {
    for (let at = 0; at < digests.length; at += entryBytes) {
      known.set(
        digests.toString('latin1', at, at + digestBytes),
        digests.toString('latin1', at + digestBytes, at + entryBytes),
      );
    }
  }
  return known;
}
