import type { Gauges } from './gauge.ts';

/** A connection of another program. */
export interface Session {
  /** As it named itself; null: the server does not tell this login. */
  readonly program: string | null;
  readonly host: string | null;
  readonly login: string | null;
}

/** What the login may do to a table; 'unknown' where the engine does not tell (never assume "none"). */
export interface Privileges {
  readonly createTable: 'yes' | 'no' | 'unknown';
  readonly update: ReadonlyMap<string, 'yes' | 'no' | 'unknown'>;
}

/** What surrounds the tables: who else is there, what the login may do, what the load is. For SQLite, the file and its host. */
export interface Server {
  privileges(tables: readonly string[]): Promise<Privileges>;
  /** Who else is connected, keyturn itself left out; null: the login may not see it (never taken for "nobody"). */
  sessions(): Promise<readonly Session[] | null>;
  /** Sentences on what keeps copies of old rows or suffers from many writes: history tables, change capture, replicas, logs. */
  warnings(tables: readonly string[]): Promise<readonly string[]>;
  /** Load that throttles can watch, by name. */
  readonly gauges: Gauges;
  /** Whether a query of the user's own says yes: the first column of its first row is true, or a number but 0. */
  ask(sql: string): Promise<boolean>;
}
