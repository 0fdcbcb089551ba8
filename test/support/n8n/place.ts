/** Where an n8n database is. `url`: of keyturn's engines, though n8n itself has SQLite and PostgreSQL only; n8n's own two settings beside it. */
export interface Place {
  readonly url: string;
  /** PostgreSQL only; default `public`. */
  readonly schema?: string;
  /** DB_TABLE_PREFIX. */
  readonly prefix?: string;
}

export type Cell = string | number | boolean | Date | null;
/** One row as the driver gives it. */
export type Found = Record<string, unknown>;

/** A plain connection to an n8n database, for tests. Parameters are `?` in every engine, and "…" quotes a name. */
export interface Store {
  readonly engine: 'sqlite' | 'postgres' | 'mysql' | 'mssql';
  readonly place: Place;
  rows(sql: string, parameters?: readonly Cell[]): Promise<Found[]>;
  run(sql: string, parameters?: readonly Cell[]): Promise<void>;
  /** The quoted name of one of n8n's tables, with its schema and prefix. */
  table(name: string): string;
  /** The real names of all tables, keyturn's own left out. */
  tables(): Promise<string[]>;
  has(name: string): Promise<boolean>;
  close(): Promise<void>;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Of tables in the one schema that a connection is in. */
export function inOneSchema(
  rows: Store['rows'],
  schema: string,
): Pick<Store, 'run' | 'table' | 'tables' | 'has'> {
  const tables = async (): Promise<string[]> =>
    (
      await rows(
        `select table_name as name from information_schema.tables
         where table_schema = ${schema} and table_name not like 'keyturn%' order by table_name`,
      )
    ).map(({ name }) => String(name));
  return {
    run: async (sql, parameters) => {
      await rows(sql, parameters);
    },
    table: quoted,
    tables,
    has: async (name) => (await tables()).includes(name),
  };
}
