import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import type { Engine } from '../rotation/places.ts';
import type { Cells } from './application.ts';

/** One database at one address, of which copies can be kept and brought back. */
export interface Ground {
  readonly engine: Engine;
  readonly url: string;
  exec(sql: string): Promise<Cells[]>;
  /** Keeps a copy under this name; ends all sessions. */
  keep(name: string): Promise<void>;
  /** Brings a copy back; without a name: an empty database. */
  bring(name?: string): Promise<void>;
  close(): Promise<void>;
}

export async function groundOf(engine: Engine): Promise<Ground> {
  return engine === 'sqlite' ? sqliteGround() : postgresGround();
}

function sqliteGround(): Ground {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-damage-'));
  const path = join(folder, 'app.sqlite');
  return {
    engine: 'sqlite',
    url: `sqlite:${path}`,
    async exec(sql) {
      // Closed at once: a run refuses to begin while another program is connected
      const connection = new Sqlite(path);
      try {
        // No fsync: the tests kill clients, never the machine
        connection.pragma('synchronous = off');
        if (!/^\s*(select|with)\b/i.test(sql)) {
          connection.exec(sql);
          return [];
        }
        return connection.prepare<[], Cells>(sql).all();
      } finally {
        connection.close();
      }
    },
    async keep(name) {
      // The last connection to close moves the write-ahead log of a killed process into the file
      await this.exec('select count(*) as n from sqlite_schema');
      copyFileSync(path, join(folder, `kept ${name}`));
    },
    async bring(name) {
      for (const file of readdirSync(folder))
        if (file.startsWith('app.sqlite')) rmSync(join(folder, file), { recursive: true });
      if (name !== undefined) copyFileSync(join(folder, `kept ${name}`), path);
      else new Sqlite(path).exec('pragma journal_mode = wal').close();
    },
    async close() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function postgresGround(): Promise<Ground> {
  const server = process.env.KEYTURN_TEST_POSTGRES ?? '';
  const name = `damage_${process.pid}_${Date.now()}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  const admin = new pg.Pool({ connectionString: server, max: 1, application_name: 'keyturn test' });
  const kept: string[] = [];
  // A database name is short
  const copy = (as: string): string => `${name}_${kept.indexOf(as)}`;
  let client: pg.Client | null = null;
  const leave = async (): Promise<void> => {
    await client?.end();
    client = null;
    // Also those of processes that were killed
    await admin.query(
      `select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '${name}'`,
    );
  };
  return {
    engine: 'postgres',
    url: url.href,
    async exec(sql) {
      if (client === null) {
        // Under keyturn's own name: a run refuses to begin while another program is connected
        client = new pg.Client({ connectionString: url.href, application_name: 'keyturn test' });
        client.on('error', () => undefined);
        await client.connect();
      }
      const { rows } = await client.query(sql);
      return rows ?? [];
    },
    async keep(as) {
      await leave();
      kept.push(as);
      await admin.query(`create database "${copy(as)}" template "${name}"`);
    },
    async bring(as) {
      await leave();
      await admin.query(`drop database if exists "${name}" with (force)`);
      await admin.query(`create database "${name}"${as === undefined ? '' : ` template "${copy(as)}"`}`);
    },
    async close() {
      await leave();
      for (const each of [name, ...kept.map(copy)])
        await admin.query(`drop database if exists "${each}" with (force)`);
      await admin.end();
    },
  };
}
