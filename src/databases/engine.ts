import type { Database } from './database.ts';
import type { Failures } from './failures.ts';
import type { Login } from './login.ts';

export interface OpenOptions extends Login {
  /** SQLite: create the file if it is missing; only for keyturn's own local files. */
  readonly create?: boolean;
}

/** A kind of database. Its driver is loaded only when a database is opened: some take longer to load than all the rest. */
export interface Engine {
  /** What its URLs look like, for people. */
  readonly shape: string;
  /** Whether a URL names a database of this engine. */
  takes(url: string): boolean;
  readonly failures: Failures;
  /** @throws KeyturnError for whatever is wrong with the URL, the server, the login or the file */
  open(url: string, options: OpenOptions): Promise<Database>;
}
