import { readFile } from 'node:fs/promises';
import { KeyturnError } from '../error.ts';

/** What a server's engine needs beside the URL. */
export interface Login {
  /** Used where the URL has none. */
  readonly password?: string;
  /** What the server's administrator sees in its list of sessions. */
  readonly applicationName?: string;
  /** A statement that takes longer is cut off; default no limit. Engines without such a limit leave it out. */
  readonly statementTimeoutMs?: number;
}

/** The text of a PEM file that the URL names. */
export async function pem(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause) => {
    throw new KeyturnError('database-url', `cannot read ${path}, which the database URL names`, { cause });
  });
}
