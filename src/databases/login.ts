/** What a server's engine needs beside the URL. */
export interface Login {
  /** Used where the URL has none. */
  readonly password?: string;
  /** What the server's administrator sees in its list of sessions. */
  readonly applicationName?: string;
  /** A statement that takes longer is cut off; default no limit. Engines without such a limit leave it out. */
  readonly statementTimeoutMs?: number;
}
