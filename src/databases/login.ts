/** What opening a database needs beside the URL. */
export interface Login {
  /** Used where the URL has none. */
  readonly password?: string;
  /** The name that the server shows in its list of sessions. */
  readonly applicationName?: string;
  /** A statement that takes longer is cancelled; default: no limit. Not every engine has such a limit. */
  readonly statementTimeoutMs?: number;
}
