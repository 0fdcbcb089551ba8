import { type ChildProcess, execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { makeCertificates } from './certificates.ts';
import { install } from './debian.ts';
import type { TestDatabase } from './postgres.ts';
import { end, freePort, giveTo, launch, ownerOfServers, type Throwaway, throwaway } from './throwaway.ts';

const run = promisify(execFile);

export interface MariadbOptions {
  /** Whether the server also accepts TLS, with a certificate of its own CA (`MariadbServer.ca`). */
  readonly tls?: boolean;
  /** More options of mariadbd, without the dashes: `log-bin`, `max-allowed-packet=1M`. */
  readonly config?: readonly string[];
}

export interface MariadbServer {
  /** For the user `keyturn`, who has all privileges; without a database. */
  readonly url: string;
  /** Path of the CA certificate, if the server accepts TLS. */
  readonly ca: string;
  /** Ends the server like a crash (SIGKILL) or with its own shutdown (SIGTERM). The connections of its clients end. */
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Starts the server again after `kill`, on the same port and with its data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a MariaDB on a free port, with its data in a temporary folder. It ends with this process. */
export async function startMariadb(options: MariadbOptions = {}): Promise<MariadbServer> {
  await install('mariadb-server');
  const folder = await throwaway('mariadbd', 'pid');
  const at = (name: string): string => join(folder.path, name);
  const owner = await ownerOfServers('mysql');
  await giveTo(owner, folder.path);
  const as = [
    ...['--no-defaults', `--datadir=${at('data')}`],
    // A folder of its own: when a server starts, it deletes the temporary tables of all servers in the same folder
    `--tmpdir=${folder.path}`,
    ...(owner === null ? [] : ['--user=mysql']),
  ];
  await run(
    'mariadb-install-db',
    [
      ...[...as, '--auth-root-authentication-method=normal', '--skip-test-db', '--skip-name-resolve'],
      ...['--innodb-flush-log-at-trx-commit=0', '--innodb-log-file-size=8M'],
    ],
    { cwd: folder.path },
  );
  if (options.tls) {
    await makeCertificates(folder.path);
    await giveTo(owner, at('server.key'));
  }
  const tls = ['ca=ca.pem', 'cert=server.pem', 'key=server.key'];
  const port = await freePort();
  const socketPath = at('socket');
  const start = (): Promise<ChildProcess> =>
    launch({
      program: 'mariadbd',
      args: [
        ...[...as, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${socketPath}`],
        ...[`--pid-file=${at('pid')}`, `--log-error=${at('log')}`, '--skip-name-resolve'],
        // No fsync: the tests kill processes, never the machine
        ...['--innodb-flush-log-at-trx-commit=0', '--innodb-flush-method=nosync'],
        ...['--innodb-buffer-pool-size=128M', '--innodb-log-file-size=64M', '--max-connections=300'],
        ...(options.tls ? tls.map((file) => `--ssl-${file.replace('=', `=${folder.path}/`)}`) : []),
        ...(options.config ?? []).map((set) => `--${set}`),
      ],
      options: { cwd: folder.path },
      log: at('log'),
      answers: () => answers(socketPath),
    });
  return serverOf(
    folder,
    { url: `mariadb://keyturn:keyturn-test@127.0.0.1:${port}`, ca: at('ca.pem') },
    start,
    socketPath,
  );
}

/** Starts a server, and returns what tests do with it. */
export async function serverOf(
  folder: Throwaway,
  place: Pick<MariadbServer, 'url' | 'ca'>,
  start: () => Promise<ChildProcess>,
  socketPath: string,
): Promise<MariadbServer> {
  let server = await start();
  await admit(socketPath);
  return {
    ...place,
    kill: (signal) => end(server, signal),
    async restart() {
      server = await start();
    },
    async stop() {
      await end(server, 'SIGKILL');
      await folder.remove();
    },
  };
}

export async function answers(socketPath: string): Promise<boolean> {
  const root = await mysql.createConnection({ socketPath, user: 'root' }).catch(() => null);
  await root?.end();
  return root !== null;
}

async function admit(socketPath: string): Promise<void> {
  const root = await mysql.createConnection({ socketPath, user: 'root' });
  await root.query(`create user keyturn identified by 'keyturn-test'`);
  await root.query('grant all privileges on *.* to keyturn with grant option');
  await root.end();
}

/** Creates an empty database, by default on the shared server (global-setup.ts). */
export async function createMysqlDatabase(server = process.env.KEYTURN_TEST_MARIADB): Promise<TestDatabase> {
  if (server === undefined)
    throw new Error(
      'KEYTURN_TEST_MARIADB is not set: run the tests with jest, or set it to the URL of a server',
    );
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
  // Marked like keyturn's own sessions, so that it is not taken for an application that is still running
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

/** The driver knows one scheme only. */
export function driverUrl(url: string): string {
  return url.replace(/^mariadb:/, 'mysql:');
}
