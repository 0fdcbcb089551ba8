import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { type Cell, type Found, type Place, quoted, type Store } from './place.ts';

export type { Cell, Found, Place, Store };

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
  const [scheme] = place.url.split(':');
  if (scheme === 'sqlite') return sqliteStore(place);
  // Loaded where they are needed: SQL Server's driver takes long
  if (scheme === 'mariadb' || scheme === 'mysql') return (await import('./mysql-store.ts')).mysqlStore(place);
  if (scheme === 'mssql') return (await import('./mssql-store.ts')).mssqlStore(place);
  return postgresStore(place);
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
