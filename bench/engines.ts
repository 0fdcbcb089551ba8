import { copyFile, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { driverUrl, startMariadb } from '../test/support/mariadb.ts';
import { startPostgres } from '../test/support/postgres.ts';

/** A connection as the contenders of the benchmark use it, `$1` standing for a parameter. */
export interface Connection {
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** A server with a filled database, of which every contender gets a copy. */
export interface Engine {
  readonly version: string;
  /** Rewrites the values of the rows from `$1` to `$2` inside the database. */
  readonly floorSql: string;
  insert(rows: readonly (readonly [number, string])[]): Promise<void>;
  /** URL of a fresh copy. */
  copy(): Promise<string>;
  drop(url: string): Promise<void>;
  connect(url: string): Promise<Connection>;
  /** CPU seconds of the server's processes so far; null: the database runs in its client. */
  cpuSeconds(): Promise<number | null>;
  /** Bytes written to the server's log so far; null: not known. */
  logBytes(url: string): Promise<number | null>;
  stop(): Promise<void>;
}

const tableSql = 'create table account (id integer primary key, name varchar(40) not null, secret text)';
const floorSql = "update account set secret = secret || '' where id >= $1 and id <= $2";

async function postgres(): Promise<Engine> {
  const server = await startPostgres();
  const urlOf = (name: string): string => Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
  const connect = async (url: string): Promise<Connection> => {
    const client = new pg.Client(url);
    await client.connect();
    return {
      query: async (sql, values) =>
        (await client.query({ text: sql, values: [...(values ?? [])], name: sql.slice(0, 40) })).rows,
      close: () => client.end(),
    };
  };
  const admin = await connect(server.url);
  await admin.query('create database base');
  const base = await connect(urlOf('base'));
  await base.query(tableSql);
  const [{ pid } = {}] = await admin.query('select pg_backend_pid() as pid');
  const parent = (await statOf(Number(pid)))[1];
  const [{ version } = {}] = await admin.query("select current_setting('server_version') as version");
  let copies = 0;
  let filled = false;
  return {
    version: `PostgreSQL ${String(version).split(' ')[0]}`,
    floorSql,
    async insert(rows) {
      await base.query(
        "insert into account select i, 'account ' || i, s from unnest($1::int[], $2::text[]) as u (i, s)",
        [rows.map(([id]) => id), rows.map(([, secret]) => secret)],
      );
    },
    async copy() {
      if (!filled) {
        await base.query('vacuum analyze account');
        await base.close();
        filled = true;
      }
      const name = `copy${++copies}`;
      await admin.query(`create database ${name} template base`);
      await admin.query('checkpoint');
      return urlOf(name);
    },
    drop: async (url) => {
      await admin.query(`drop database ${new URL(url).pathname.slice(1)}`);
    },
    connect,
    async cpuSeconds() {
      const fields = await statOf(Number(parent));
      return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / 100;
    },
    async logBytes() {
      const [{ bytes } = {}] = await admin.query("select pg_current_wal_lsn() - '0/0' as bytes");
      return Number(bytes);
    },
    async stop() {
      await admin.close();
      await server.stop();
    },
  };
}

/** Fields of /proc/<pid>/stat after the name of the process: state, parent, … */
async function statOf(pid: number): Promise<string[]> {
  return (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? [];
}

async function mariadb(): Promise<Engine> {
  const server = await startMariadb();
  const urlOf = (name: string): string => Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
  const connect = async (url: string): Promise<Connection> => {
    const client = await mysql.createConnection(driverUrl(url));
    return {
      query: async (sql, values) =>
        (await client.query(sql.replaceAll(/\$\d/g, '?'), [...(values ?? [])]))[0] as Record<
          string,
          unknown
        >[],
      close: () => client.end(),
    };
  };
  const admin = await connect(server.url);
  await admin.query('create database base');
  await admin.query(tableSql.replace('account', 'base.account'));
  const [{ version } = {}] = await admin.query('select version() as version');
  let copies = 0;
  return {
    version: `MariaDB ${String(version).split('-')[0]}`,
    // It does not write a value that stays the same
    floorSql: floorSql.replace("secret || ''", "concat(secret, ' ')"),
    async insert(rows) {
      await admin.query('insert into base.account values ?', [
        rows.map(([id, secret]) => [id, `account ${id}`, secret]),
      ]);
    },
    async copy() {
      const name = `copy${++copies}`;
      await admin.query(`create database ${name}`);
      await admin.query(tableSql.replace('account', `${name}.account`));
      await admin.query(`insert into ${name}.account select * from base.account`);
      return urlOf(name);
    },
    drop: async (url) => {
      await admin.query(`drop database ${new URL(url).pathname.slice(1)}`);
    },
    connect,
    cpuSeconds: async () => null,
    logBytes: async () => null,
    async stop() {
      await admin.close();
      await server.stop();
    },
  };
}

async function sqlite(folder: string): Promise<Engine> {
  const base = join(folder, 'base.db');
  const database = new Sqlite(base);
  database.pragma('journal_mode = wal');
  database.exec(tableSql);
  const insert = database.prepare("insert into account values (?, 'account ' || ?1, ?)");
  let copies = 0;
  return {
    version: `SQLite ${database.prepare('select sqlite_version()').pluck().get()}`,
    floorSql,
    async insert(rows) {
      database.transaction(() => {
        for (const [id, secret] of rows) insert.run(id, secret);
      })();
    },
    async copy() {
      database.pragma('wal_checkpoint(truncate)');
      const file = join(folder, `copy${++copies}.db`);
      await copyFile(base, file);
      return `sqlite:${file}`;
    },
    drop: (url) => rm(url.slice('sqlite:'.length)),
    async connect(url) {
      const client = new Sqlite(url.slice('sqlite:'.length));
      return {
        async query(sql, values = []) {
          const statement = client.prepare(sql.replaceAll(/\$(\d)/g, '?$1'));
          if (statement.reader) return statement.all(...values) as Record<string, unknown>[];
          statement.run(...values);
          return [];
        },
        close: async () => {
          client.close();
        },
      };
    },
    cpuSeconds: async () => null,
    logBytes: async (url) => (await stat(url.slice('sqlite:'.length))).size,
    async stop() {
      database.close();
    },
  };
}

export const engines = { postgres, mariadb, sqlite } as const;
