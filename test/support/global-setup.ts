import { chmod, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { install, isInstallable, isInstalled, type Package } from './debian.ts';
import { type MariadbServer, startMariadb } from './mariadb.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { type Throwaway, throwaway } from './throwaway.ts';

declare global {
  var keyturnTestServers: (PostgresServer | MariadbServer)[];
  var keyturnTestFolder: Throwaway | null;
}

/**
 * One PostgreSQL and one MariaDB for all test files; a server that the environment names is used and left running.
 * The tests of what is neither installed nor installable are skipped, but not in CI.
 */
export default async function setUp(): Promise<void> {
  globalThis.keyturnTestServers = [];
  say('\nThe tests run on:');
  globalThis.keyturnTestFolder = await inMemory();
  say('files', `in ${tmpdir()}`);
  say('SQLite', 'part of better-sqlite3');
  await share('PostgreSQL', 'KEYTURN_TEST_POSTGRES', startPostgres);
  if (await obtain('MariaDB', 'mariadb-server')) await share('MariaDB', 'KEYTURN_TEST_MARIADB', startMariadb);
  if (await obtain('Redis', 'redis-server'))
    say('Redis', 'installed, started by each test file that needs it');
  if (await obtain('faketime', 'faketime')) say('faketime', 'installed');
  named('MySQL', 'KEYTURN_TEST_MYSQL');
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
  if (process.env[variable]) return say(name, `the server in ${variable}`);
  const server = await start();
  globalThis.keyturnTestServers.push(server);
  process.env[variable] = server.url;
  say(name, `started on port ${new URL(server.url).port}`);
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
