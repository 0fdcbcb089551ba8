import Sqlite from 'better-sqlite3';
import pg from 'pg';

/** Where an n8n database is. `url`: `sqlite:<path>` or `postgres://…`; n8n's own two settings beside it. */
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

/** A plain connection to an n8n database, for tests. Parameters are `?` in both engines. */
export interface Store {
  readonly engine: 'sqlite' | 'postgres';
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

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function sqliteStore(place: Place): Store {
  const database = new Sqlite(place.url.slice('sqlite:'.length), { fileMustExist: true, timeout: 20_000 });
  const tables = () =>
    database
      .prepare<[], { name: string }>(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name not like 'keyturn_%' order by name",
      )
      .all()
      .map(({ name }) => name);
  const bind = (parameters: readonly Cell[]) =>
    parameters.map((cell) =>
      typeof cell === 'boolean'
        ? Number(cell)
        : cell instanceof Date
          ? cell.toISOString().replace(/[TZ]/g, ' ').trim()
          : cell,
    );
  return {
    engine: 'sqlite',
    place,
    rows: async (sql, parameters = []) => database.prepare<unknown[], Found>(sql).all(...bind(parameters)),
    run: async (sql, parameters = []) => {
      database.prepare(sql).run(...bind(parameters));
    },
    table: (name) => quoted((place.prefix ?? '') + name),
    tables: async () => tables(),
    has: async (name) => tables().includes((place.prefix ?? '') + name),
    close: async () => {
      database.close();
    },
  };
}

async function postgresStore(place: Place): Promise<Store> {
  const client = new pg.Client({ connectionString: place.url });
  // A server that ends shows in the next query
  client.on('error', () => undefined);
  await client.connect();
  const schema = place.schema ?? 'public';
  const rows = async (sql: string, parameters: readonly Cell[] = []): Promise<Found[]> => {
    let position = 0;
    const text = sql.replace(/\?/g, () => `$${++position}`);
    return (await client.query(text, [...parameters])).rows;
  };
  const tables = async () =>
    (
      await rows(
        "select table_name as name from information_schema.tables where table_schema = ? and table_type = 'BASE TABLE' and table_name not like 'keyturn\\_%' order by table_name",
        [schema],
      )
    ).map(({ name }) => String(name));
  return {
    engine: 'postgres',
    place,
    rows,
    run: async (sql, parameters) => {
      await rows(sql, parameters);
    },
    table: (name) => `${quoted(schema)}.${quoted((place.prefix ?? '') + name)}`,
    tables,
    has: async (name) => (await tables()).includes((place.prefix ?? '') + name),
    close: () => client.end(),
  };
}

export async function openStore(place: Place): Promise<Store> {
  return place.url.startsWith('sqlite:') ? sqliteStore(place) : await postgresStore(place);
}

/** Opens, works, closes. */
export async function withStore<T>(place: Place, work: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore(place);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** All or nothing; one connection, so plain BEGIN and COMMIT do. */
export async function atOnce<T>(store: Store, work: () => Promise<T>): Promise<T> {
  await store.run('begin');
  try {
    const result = await work();
    await store.run('commit');
    return result;
  } catch (error) {
    await store.run('rollback');
    throw error;
  }
}
