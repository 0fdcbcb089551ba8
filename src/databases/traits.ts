/** What is known of an engine without asking a server. */
export interface Traits {
  /** Rows per second that one connection writes: the lower end of what was measured (bench/README.md), for an estimate. */
  readonly rowsPerSecond: number;
  /** Rows that a chunk has at most, so that its locks are held for a short time and do not become those of the whole table. */
  readonly chunkRows: number;
  /**
   * Bytes that an old version of a row takes beside its columns until the engine clears it away; null: an update
   * leaves no version behind in the table.
   */
  readonly versionBytes: number | null;
  /** Only processes of one host may use the database, since it has no server. */
  readonly oneHost: boolean;
  /** Where old ciphertext survives a rotation; sentences for the report. */
  readonly survival: readonly string[];
}
