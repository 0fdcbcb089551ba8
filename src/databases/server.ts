import type { Gauges } from './gauge.ts';

/** A connection of another program. */
export interface Session {
  /** The name that it gave; null: this login may not see it. */
  readonly program: string | null;
  readonly host: string | null;
  readonly login: string | null;
}

/** What the login may do; 'unknown' where the engine does not say (never taken for "no"). */
export interface Privileges {
  readonly createTable: 'yes' | 'no' | 'unknown';
  readonly update: ReadonlyMap<string, 'yes' | 'no' | 'unknown'>;
}

/** Runs a query of the operator's in a transaction that changes nothing. */
export type Judge = (sql: string) => Promise<readonly (readonly unknown[])[]>;

/** The server around the tables: who else is connected, what the login may do, what the load is. For SQLite, the file and its host. */
export interface Server {
  /** Why nothing can be written to this database, whatever was granted; null: it can, as far as the engine says. */
  readOnly(): Promise<string | null>;
  privileges(tables: readonly string[]): Promise<Privileges>;
  /**
   * Sentences on what may be hidden from this login without an error: "cannot tell whether …". Rows and values that are
   * known to be hidden are an error of the read that meets them (`isDenied`).
   */
  unseen(): Promise<readonly string[]>;
  /** Other programs that are connected; null: the login may not see them (never taken for "nobody"). */
  sessions(): Promise<readonly Session[] | null>;
  /**
   * Who holds locks on whole tables, as far as the engine says it to this login: `users: psql (process 42) of app`. keyturn
   * itself is left out.
   */
  lockHolders(): Promise<readonly string[]>;
  /** Sentences on what keeps copies of old rows, or grows with many writes: history tables, change capture, replicas, logs. */
  warnings(tables: readonly string[]): Promise<readonly string[]>;
  /** Figures of the load that a throttle can watch, by name. */
  readonly gauges: Gauges;
  /** Runs a query of the user's. True: the first column of its first row is true, or a number above 0. */
  isTrue(sql: string): Promise<boolean>;
}
