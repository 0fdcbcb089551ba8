import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { answers, type MariadbServer, serverOf } from './mariadb.ts';
import { freePort, giveTo, launch, ownerOfServers, throwaway } from './throwaway.ts';

const run = promisify(execFile);

/** Unpacked once for all users of this id; not in TMPDIR, which lasts as long as the tests. */
const home = `/tmp/keyturn-mysql-${process.getuid?.() ?? 0}`;
const root = join(home, 'root');
const fetchMs = 240_000;

/** Fetches a MySQL server if there is none yet. Returns why that is not possible, null if there is one. */
export async function obtainMysql(): Promise<string | null> {
  if (existsSync(join(root, 'usr/sbin/mysqld'))) return null;
  const needed = ['/usr/bin/apt-get', '/usr/share/keyrings/debian-archive-keyring.gpg'];
  if (process.platform !== 'linux' || process.arch !== 'x64' || !needed.every((path) => existsSync(path)))
    return 'its packages are fetched on Debian for amd64 only';
  const script = fileURLToPath(new URL('fetch-mysql.sh', import.meta.url));
  return run('bash', [script, home], { timeout: fetchMs }).then(
    () => null,
    (error: { stderr?: string; message: string }) =>
      `its packages could not be fetched: ${(error.stderr || error.message).trim().split('\n').at(-1)}`,
  );
}

/**
 * Starts a MySQL on a free port, with its data in a temporary folder. It ends with this process.
 *
 * @param config more options of mysqld, without the dashes: `max-allowed-packet=1M`
 */
export async function startMysql(config: readonly string[] = []): Promise<MariadbServer> {
  const { loader, libraries } = await librariesOf(root);
  // The kernel shows the first 15 characters of the program that was started: the loader
  const folder = await throwaway(basename(loader).slice(0, 15), 'pid');
  const at = (name: string): string => join(folder.path, name);
  const owner = await ownerOfServers('nobody');
  await giveTo(owner, folder.path);
  const as = [
    ...['--library-path', libraries.join(':'), join(root, 'usr/sbin/mysqld'), '--no-defaults'],
    ...[`--basedir=${join(root, 'usr')}`, `--lc-messages-dir=${join(root, 'usr/share/mysql')}`],
    ...[`--character-sets-dir=${join(root, 'usr/share/mysql/charsets')}`, '--secure-file-priv=NULL'],
    ...[`--plugin-dir=${join(root, 'usr/lib/mysql/plugin')}`, '--mysqlx=OFF'],
    ...[`--datadir=${at('data')}`, `--tmpdir=${folder.path}`, `--log-error=${at('log')}`],
    // No fsync: the tests kill processes, never the machine
    ...['--innodb-flush-log-at-trx-commit=0', '--innodb-flush-method=nosync', '--sync-binlog=0'],
    ...['--innodb-redo-log-capacity=64M', '--innodb-buffer-pool-size=128M'],
    ...(owner === null ? [] : ['--user=nobody']),
    ...config.map((set) => `--${set}`),
  ];
  await run(loader, [...as, '--initialize-insecure'], { cwd: folder.path });
  const port = await freePort();
  const socketPath = at('socket');
  const start = (): Promise<ChildProcess> =>
    launch({
      program: loader,
      args: [
        ...[...as, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${socketPath}`],
        ...[`--pid-file=${at('pid')}`, '--skip-name-resolve', '--max-connections=300'],
      ],
      options: { cwd: folder.path },
      log: at('log'),
      answers: () => answers(socketPath),
    });
  return serverOf(
    folder,
    { url: `mysql://keyturn:keyturn-test@127.0.0.1:${port}`, ca: at('data/ca.pem') },
    start,
    socketPath,
  );
}

/** It brings its own C library, so that it runs on an older Debian. */
async function librariesOf(folder: string): Promise<{ loader: string; libraries: string[] }> {
  const files = (await readdir(folder, { recursive: true })).map((name) => join(folder, name));
  const shared = files.filter((name) => /\.so(\.|$)/.test(basename(name)));
  const loader = shared.find((name) => basename(name).startsWith('ld-linux'));
  if (loader === undefined) throw new Error(`there is no loader in ${folder}`);
  return { loader, libraries: [...new Set(shared.map((name) => dirname(name)))] };
}
