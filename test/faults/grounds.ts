import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMysqlDatabase, startMariadb } from '../support/mariadb.ts';
import { type Many, manyElsewhere, manyPostgres, manySqlite } from '../support/n8n/many.ts';
import { storeMark } from '../support/n8n/mysql-store.ts';
import { type Place, withStore } from '../support/n8n/store.ts';
import { startPostgres, type TestDatabase } from '../support/postgres.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';

/** A database that faults are injected into. */
export interface Ground {
  /** For the test itself: these connections are not cut. */
  readonly place: Place;
  /** For keyturn. */
  readonly url: string;
  readonly proxy: CuttingProxy | null;
  /** Null when the engine has no server, or only one that others use too. */
  readonly server: StormServer | null;
  /** Ends every connection but the test's own, or blocks all writers for a moment. Returns false if it could not. */
  disturb(): Promise<boolean>;
  /** The number of connections that are not the test's. */
  connections(): Promise<number>;
  /** Files next to the database that the last process should have removed. */
  leftovers(): readonly string[];
  close(): Promise<void>;
}

export interface StormServer {
  /** Ends the server as a crash would, or with its own shutdown. Both end the connections of its clients. */
  end(how: 'crash' | 'shutdown'): Promise<void>;
  restart(): Promise<void>;
}

export type Engine = (many: Many) => Promise<Ground>;

/** A server that no other test uses, because it is killed now and then. */
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
    server: {
      end: (how) => server.kill(how === 'crash' ? 'SIGKILL' : 'SIGQUIT'),
      restart: server.restart,
    },
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
  // The file of the lock stays on purpose: see src/databases/sqlite/lock.ts
  const own = ['database.sqlite', 'database.sqlite.keyturn-lock'];
  return {
    place,
    url: place.url,
    proxy: null,
    server: null,
    disturb: () =>
      withStore(place, async (store) => {
        // The driver blocks the event loop while it waits, so that a process that was stopped while it writes would never be continued
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
    // A process that has ended has no connection; Processes.left checks that all have ended
    connections: async () => 0,
    leftovers: () => readdirSync(folder).filter((name) => !own.includes(name)),
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
};

/** A server that no other test uses, because it is killed now and then. */
export const mariadb: Engine = async (many) => {
  // A committed transaction must survive a kill of the server
  const server = await startMariadb({ config: ['innodb-flush-log-at-trx-commit=2'] });
  const ground = await groundOn(await createMysqlDatabase(server.url), many, mysqlOthers);
  return {
    ...ground,
    server: {
      end: (how) => server.kill(how === 'crash' ? 'SIGKILL' : 'SIGTERM'),
      restart: server.restart,
    },
    close: async () => {
      await ground.close();
      await server.stop();
    },
  };
};

/** The server is not killed: it is named by the environment. */
export const mysql: Engine = async (many) =>
  groundOn(await createMysqlDatabase(process.env.KEYTURN_TEST_MYSQL), many, mysqlOthers);

export const mssql: Engine = async (many) => {
  const { createMssqlDatabase } = await import('../support/mssql.ts');
  const others = `select session_id as id from sys.dm_exec_sessions
    where database_id = db_id() and program_name <> 'keyturn test'`;
  return groundOn(await createMssqlDatabase(), many, others);
};

const mysqlOthers = `select id from information_schema.processlist
  where db = database() and coalesce(is_used_lock(concat('${storeMark}', id)), 0) <> id`;

/** @param others SQL that selects the ids of connections that are not the test's. */
async function groundOn(
  database: TestDatabase,
  many: Many,
  others: string,
): Promise<Ground & { readonly proxy: CuttingProxy }> {
  const direct = new URL(database.url);
  const place = await manyElsewhere(direct.href, many);
  const proxy = await startCuttingProxy(Number(direct.port), direct.hostname);
  const through = new URL(direct.href);
  through.hostname = '127.0.0.1';
  through.port = String(proxy.port);
  return {
    place,
    url: through.href,
    proxy,
    server: null,
    disturb: () =>
      withStore(place, async (store) => {
        // A connection that has ended in the meantime cannot be killed
        for (const { id } of await store.rows(others)) await store.run(`kill ${id}`).catch(() => undefined);
        return true;
      }),
    connections: () => withStore(place, async (store) => (await store.rows(others)).length),
    leftovers: () => [],
    async close() {
      await proxy.close();
      await database.close();
    },
  };
}
