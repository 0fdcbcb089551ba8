import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chown, mkdtemp, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { makeCertificates } from './certificates.ts';
import type { TestDatabase } from './postgres.ts';

const run = promisify(execFile);

export interface MariadbOptions {
  /** Speaks TLS too, with a certificate of its own CA (`MariadbServer.ca`). */
  readonly tls?: boolean;
  /** Further options of mariadbd, without the dashes: `log-bin`, `max-allowed-packet=1M`. */
  readonly config?: readonly string[];
}

export interface MariadbServer {
  /** Of the user `keyturn` with all rights, without a database. */
  readonly url: string;
  /** Path of the CA certificate of a TLS server. */
  readonly ca: string;
  /** SIGKILL, as a crash would; or SIGTERM, its own shutdown. Its clients are cut off. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** On the same port and with its data, after `kill`. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A throwaway MariaDB on a free port, with its data in a temporary folder. It dies with this process. */
export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  await install();
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-mariadb-'));
  const port = await freePort();
  // mariadbd does not run as root
  const user = process.getuid?.() === 0 ? 'mysql' : '';
  if (user !== '') await giveTo(user, folder);
  const as = user === '' ? [] : [`--user=${user}`];
  const data = join(folder, 'data');
  const guard = guardOf(folder);
  await run('mariadb-install-db', [
    ...[
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${folder}`,
      '--auth-root-authentication-method=normal',
      ...as,
    ],
    ...[
      '--skip-test-db',
      '--skip-name-resolve',
      '--innodb-flush-log-at-trx-commit=0',
      '--innodb-log-file-size=8M',
    ],
  ]);
  const socket = join(folder, 'socket');
  if (options.tls) {
    await makeCertificates(folder);
    if (user !== '') await giveTo(user, join(folder, 'server.key'));
  }
  const tls = options.tls
    ? ['ca=ca.pem', 'cert=server.pem', 'key=server.key'].map(
        (file) => `--ssl-${file.replace('=', `=${folder}/`)}`,
      )
    : [];
  const words = [
    // Its own folder for temporary tables: a server that starts clears the common one, of another's too
    ...[
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${folder}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
      ...as,
    ],
    ...[`--socket=${socket}`, `--pid-file=${join(folder, 'pid')}`, `--log-error=${join(folder, 'log')}`],
    // No fsync: the tests kill clients, never the machine
    ...['--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0', '--innodb-flush-method=nosync'],
    ...['--innodb-buffer-pool-size=128M', '--innodb-log-file-size=64M', '--max-connections=300'],
    ...tls,
    ...(options.config ?? []).map((set) => `--${set}`),
  ];
  let server = await launch(words, folder, socket);
  await admit(socket);
  return {
    url: `mariadb://keyturn:keyturn-test@127.0.0.1:${port}`,
    ca: join(folder, 'ca.pem'),
    kill: (signal) => end(server, signal),
    async restart() {
      server = await launch(words, folder, socket);
    },
    async stop() {
      await end(server, 'SIGKILL');
      guard.ref();
      guard.stdin?.end();
      await once(guard, 'exit');
    },
  };
}

async function launch(words: readonly string[], folder: string, socket: string): Promise<ChildProcess> {
  const server = spawn('mariadbd', [...words], { stdio: 'ignore' });
  for (let i = 0; i < 1_200 && server.exitCode === null; i++) {
    const root = await mysql.createConnection({ socketPath: socket, user: 'root' }).catch(() => null);
    await root?.end();
    if (root !== null) return server;
    await sleep(50);
  }
  server.kill('SIGKILL');
  throw new Error(`MariaDB did not start:\n${await readFile(join(folder, 'log'), 'utf8').catch(() => '')}`);
}

async function admit(socketPath: string): Promise<void> {
  const root = await mysql.createConnection({ socketPath, user: 'root' });
  await root.query(`create user keyturn identified by 'keyturn-test'`);
  await root.query('grant all privileges on *.* to keyturn with grant option');
  await root.end();
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill(signal);
  await once(server, 'exit');
}

/** Outlives this process, however that ends (its stdin then closes), and stops a server that is still there. */
function guardOf(folder: string): ChildProcess {
  const script = `read -r _; pid=$(cat "$1/pid" 2>/dev/null) && grep -qsE 'maria|mysql' "/proc/$pid/comm" && kill -9 "$pid"
    while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"`;
  const guard = spawn('sh', ['-c', script, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.stdin?.on('error', () => undefined);
  guard.unref();
  return guard;
}

async function giveTo(user: string, path: string): Promise<void> {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (what) => Number((await run('id', [what, user])).stdout)),
  );
  await chown(path, uid ?? 0, gid ?? 0);
}

/** Two test files at a time may ask for it: the lock lets one install. The package must not start a server of its own. */
async function install(): Promise<void> {
  if (await found('mariadbd')) return;
  if (process.getuid?.() !== 0 || !(await found('apt-get')))
    throw new Error(
      'mariadbd is not in PATH: install MariaDB 10.6 or later (Debian: apt-get install mariadb-server)',
    );
  const script = `command -v mariadbd || {
    apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends mariadb-server; }`;
  await run('flock', [join(tmpdir(), 'keyturn-apt.lock'), 'sh', '-c', script], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 64 * 1024 * 1024,
  });
}

async function found(command: string): Promise<boolean> {
  return run('sh', ['-c', `command -v ${command}`]).then(
    () => true,
    () => false,
  );
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

/** An empty database of its own, on the shared server (global-setup.ts) unless another is named. */
export async function createMysqlDatabase(server = process.env.KEYTURN_TEST_MARIADB): Promise<TestDatabase> {
  if (server === undefined)
    throw new Error('KEYTURN_TEST_MARIADB is not set: run under jest, or name a server');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  await administer(server, `create database ${name} character set utf8mb4`);
  const pool = mysql.createPool({
    uri: driverUrl(url.href),
    connectionLimit: 4,
    charset: 'utf8mb4',
    multipleStatements: true,
    jsonStrings: true,
  });
  // Marked as keyturn's own sessions are: this is no application that somebody forgot to stop
  pool.on('connection', (connection) => {
    connection.query(`select get_lock(concat('keyturn-session-', connection_id()), 0)`);
  });
  return {
    url: url.href,
    exec: async (sql, values) => {
      const [rows] = await pool.query(sql, values && [...values]);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    },
    async close() {
      await pool.end();
      await administer(server, `drop database if exists ${name}`);
    },
  };
}

async function administer(server: string, sql: string): Promise<void> {
  const connection = await mysql.createConnection(driverUrl(server));
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}

/** It knows one scheme. */
export function driverUrl(url: string): string {
  return url.replace(/^mariadb:/, 'mysql:');
}
