import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Many, manyPostgres, manySqlite } from '../support/n8n/many.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { createDatabase } from '../support/postgres.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';

/** A database that a storm goes over. */
export interface Ground {
  /** For the storm itself: nothing cuts it. */
  readonly place: Place;
  /** For keyturn. */
  readonly url: string;
  readonly proxy: CuttingProxy | null;
  /** Ends every connection but the storm's own; or holds all writers for a moment. */
  disturb(): Promise<void>;
  /** Connections that are not the storm's. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export type Engine = (many: Many) => Promise<Ground>;

export const postgres: Engine = async (many) => {
  const database = await createDatabase();
  const direct = new URL(database.url);
  direct.searchParams.set('application_name', 'storm');
  await manyPostgres(direct.href, many);
  const proxy = await startCuttingProxy(Number(direct.port));
  const through = new URL(database.url);
  through.port = String(proxy.port);
  const place = { url: direct.href };
  const others = "from pg_stat_activity where datname = current_database() and application_name <> 'storm'";
  return {
    place,
    url: through.href,
    proxy,
    disturb: () => withStore(place, (store) => store.run(`select pg_terminate_backend(pid) ${others}`)),
    connections: () =>
      withStore(place, async (store) => Number((await store.rows(`select count(*) as n ${others}`))[0]?.n)),
    async close() {
      await proxy.close();
      await database.close();
    },
  };
};

export const sqlite: Engine = async (many) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-ground-'));
  const place = manySqlite(join(folder, 'database.sqlite'), many);
  return {
    place,
    url: place.url,
    proxy: null,
    disturb: () =>
      withStore(place, async (store) => {
        await store.run('begin immediate');
        await new Promise((resolve) => setTimeout(resolve, 300));
        await store.run('rollback');
      }),
    connections: async () => 0,
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** How the chunks are handed out. */
export interface Hands {
  /** For keyturn; null: worker threads of the coordinator. */
  readonly url: string | null;
  /** For the storm's own hints. */
  readonly direct: string | null;
  readonly redis: RedisServer | null;
  readonly proxy: CuttingProxy | null;
  close(): Promise<void>;
}

export type Queue = (ground: Ground) => Promise<Hands>;

/** Writes everything to disk: it comes back with its data. */
export const redis: Queue = async () => {
  const server = await startRedis({ config: ['appendonly yes', 'appendfsync always'] });
  const proxy = await startCuttingProxy(server.port);
  return {
    url: `redis://127.0.0.1:${proxy.port}`,
    direct: server.url,
    redis: server,
    proxy,
    async close() {
      await proxy.close();
      await server.stop();
    },
  };
};

export const sameDatabase: Queue = async ({ url, place }) => ({
  url,
  direct: place.url,
  redis: null,
  proxy: null,
  close: async () => undefined,
});

export const threads: Queue = async () => ({
  url: null,
  direct: null,
  redis: null,
  proxy: null,
  close: async () => undefined,
});
