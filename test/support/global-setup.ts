import { chmod, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { install, isInstallable, isInstalled, type Package } from './debian.ts';
import { type MariadbServer, startMariadb } from './mariadb.ts';
import { obtainMysql, startMysql } from './mysql.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { type Throwaway, throwaway } from './throwaway.ts';

declare global {
  var keyturnTestServers: (PostgresServer | MariadbServer)[];
  var keyturnTestFolder: Throwaway | null;
}

/**
 * One PostgreSQL, one MariaDB and one MySQL for all test files; a server that the environment names is used and left
 * running. The tests of what is neither installed nor installable are skipped, but not in CI. MySQL comes from a mirror that
 * may be out of reach: its tests are skipped then, in CI too.
 */
export default async function setUp(): Promise<void> {
  globalThis.keyturnTestServers = [];
  say('\nThe tests run on:');
  globalThis.keyturnTestFolder = await inMemory();
  say('files', `in ${tmpdir()}`);
  say('SQLite', 'part of better-sqlite3');
  const mysql = prepareMysql();
  await share('PostgreSQL', 'KEYTURN_TEST_POSTGRES', startPostgres);
  if (await obtain('MariaDB', 'mariadb-server')) await share('MariaDB', 'KEYTURN_TEST_MARIADB', startMariadb);
  if (await obtain('Redis', 'redis-server'))
    say('Redis', 'installed, started by each test file that needs it');
  if (await obtain('faketime', 'faketime')) say('faketime', 'installed');
  await shareMysql(await mysql);
  named('SQL Server', 'KEYTURN_TEST_MSSQL');
  say('');
}

const memory = '/dev/shm';
const enoughBytes = 4 * 1024 ** 3;

/** No test needs its files to survive the machine, and most of the time of a commit is the wait for the disk. */
async function inMemory(): Promise<Throwaway | null> {
  if (process.env.TMPDIR) return null;
  const free = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  if (free < enoughBytes) return null;
  process.env.TMPDIR = memory;
  const folder = await throwaway('suite', 'none');
  // Servers run as users of their own
  await chmod(folder.path, 0o755);
  process.env.TMPDIR = folder.path;
  return folder;
}

async function share<T extends PostgresServer | MariadbServer>(
  name: string,
  variable: string,
  start: () => Promise<T>,
): Promise<void> {
  const given = process.env[variable];
  if (given) return say(name, `${await versionOf(given)}, the server in ${variable}`);
  const server = await start();
  globalThis.keyturnTestServers.push(server);
  process.env[variable] = server.url;
  say(name, `${await versionOf(server.url)}, started on port ${new URL(server.url).port}`);
}

/** Which release ran is half of what a result means. */
async function versionOf(url: string): Promise<string> {
  if (url.startsWith('postgres')) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query('show server_version');
    await client.end();
    return rows[0].server_version;
  }
  const client = await mysql.createConnection(url.replace(/^mariadb:/, 'mysql:'));
  const [rows] = await client.query<mysql.RowDataPacket[]>('select version() as version');
  await client.end();
  return rows[0]?.version;
}

/** Starts while the others do: it takes the longest. A text says why there is none. */
async function prepareMysql(): Promise<MariadbServer | string | null> {
  if (process.env.KEYTURN_TEST_MYSQL) return null;
  const missing = await obtainMysql();
  return missing ?? startMysql().catch((error: Error) => `it did not start: ${error.message.split('\n')[0]}`);
}

async function shareMysql(server: MariadbServer | string | null): Promise<void> {
  if (typeof server === 'string') return say('MySQL', `its tests are SKIPPED: ${server}`);
  const variable = 'KEYTURN_TEST_MYSQL';
  await share('MySQL', variable, () => Promise.resolve(server as MariadbServer));
}

async function obtain(name: string, wanted: Package): Promise<boolean> {
  if (await isInstalled(wanted)) return true;
  if (await isInstallable()) {
    say(name, `not installed: apt-get install ${wanted} …`);
    await install(wanted);
    return true;
  }
  if (process.env.CI) throw new Error(`${wanted} is not installed`);
  process.env.KEYTURN_TEST_MISSING = `${process.env.KEYTURN_TEST_MISSING ?? ''} ${wanted}`;
  say(name, `not installed: its tests are SKIPPED (apt-get install ${wanted})`);
  return false;
}

function named(name: string, variable: string): void {
  say(
    name,
    process.env[variable]
      ? `the server in ${variable}`
      : `its tests are SKIPPED: ${variable} names no server`,
  );
}

function say(name: string, what?: string): void {
  process.stderr.write(what === undefined ? `${name}\n` : `  ${name.padEnd(11)} ${what}\n`);
}
