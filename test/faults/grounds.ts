import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Many, manyPostgres, manySqlite } from '../support/n8n/many.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';

/** A database that a storm goes over. */
export interface Ground {
  /** For the storm itself: nothing cuts it. */
  readonly place: Place;
  /** For keyturn. */
  readonly url: string;
  readonly proxy: CuttingProxy | null;
  /** Null: the engine has none. */
  readonly server: Pick<PostgresServer, 'kill' | 'restart'> | null;
  /** Ends every connection but the storm's own; or holds all writers for a moment. False: it could not. */
  disturb(): Promise<boolean>;
  /** Connections that are not the storm's. */
  connections(): Promise<number>;
  /** Files beside the database that should have gone with the last process. */
  leftovers(): readonly string[];
  close(): Promise<void>;
}

export type Engine = (many: Many) => Promise<Ground>;

/** A server of its own: it is killed now and then. */
export const postgres: Engine = async (many) => {
  const server = await startPostgres();
  const direct = new URL(server.url);
  direct.searchParams.set('application_name', 'storm');
  const place = await manyPostgres(direct.href, many);
  const proxy = await startCuttingProxy(Number(direct.port));
  const through = new URL(server.url);
  through.port = String(proxy.port);
  const others = "from pg_stat_activity where datname = current_database() and application_name <> 'storm'";
  return {
    place,
    url: through.href,
    proxy,
    server,
    disturb: () =>
      withStore(place, async (store) => {
        await store.run(`select pg_terminate_backend(pid) ${others}`);
        return true;
      }),
    connections: () =>
      withStore(place, async (store) => Number((await store.rows(`select count(*) as n ${others}`))[0]?.n)),
    leftovers: () => [],
    async close() {
      await proxy.close();
      await server.stop();
    },
  };
};

export const sqlite: Engine = async (many) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-ground-'));
  const place = manySqlite(join(folder, 'database.sqlite'), many);
  // The lock's file stays on purpose: see sqlite-lock.ts
  const own = ['database.sqlite', 'database.sqlite.keyturn-lock'];
  return {
    place,
    url: place.url,
    proxy: null,
    server: null,
    disturb: () =>
      withStore(place, async (store) => {
        // The driver waits with the event loop: a process that was stopped while it writes would never be thawed
        await store.rows('pragma busy_timeout = 0');
        for (let tries = 0; tries < 100; tries++) {
          const held = await store.run('begin immediate').then(
            () => true,
            () => false,
          );
          await sleep(held ? 300 : 20);
          if (!held) continue;
          await store.run('rollback');
          return true;
        }
        return false;
      }),
    // A process that is gone has none; that all are gone is looked at elsewhere
    connections: async () => 0,
    leftovers: () => readdirSync(folder).filter((name) => !own.includes(name)),
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
};
