import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeCertificates } from './certificates.ts';
import { installed } from './debian.ts';

const run = promisify(execFile);

export interface RedisOptions {
  /** Speaks TLS only, with a certificate of its own CA (`RedisServer.ca`). */
  readonly tls?: boolean;
  /** Rules of the only user, `keyturn` with password `keyturn-test`; e.g. `~keyturn:* +@all`. */
  readonly acl?: string;
  readonly port?: number;
  /** Further lines of redis.conf. */
  readonly config?: readonly string[];
  /** A sentinel: `redis-server --sentinel`. */
  readonly sentinel?: boolean;
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Path of the CA certificate of a TLS server. */
  readonly ca: string;
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>;
  /** On the same port, after `kill`; without its data unless it wrote an append-only file (`config`). */
  restart(): Promise<void>;
  /** Runs a command with redis-cli. */
  cli(...command: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** A throwaway Redis on a free port, with its data in a temporary folder. It dies with this process. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  // 6.2 or later
  await installed('redis-server', 'command -v redis-server');
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-redis-'));
  const port = options.port ?? (await freePort());
  const conf = join(folder, 'redis.conf');
  const ca = join(folder, 'ca.pem');
  if (options.tls) await makeCertificates(folder);
  await writeFile(conf, `${configuration(options, port, folder).join('\n')}\n`);
  const guard = guardOf(folder);
  const login =
    options.acl === undefined ? [] : ['--user', 'keyturn', '--pass', 'keyturn-test', '--no-auth-warning'];
  const tls = options.tls ? ['--tls', '--cacert', ca] : [];
  const cli = async (...command: string[]): Promise<string> =>
    (
      await run('redis-cli', ['-p', String(port), ...tls, ...login, ...command], { timeout: 20_000 })
    ).stdout.trim();
  let server = await launch(conf, folder, options.sentinel === true, cli);
  return {
    url: urlOf(options, port, ca),
    port,
    ca,
    cli,
    kill: () => end(server, 'SIGKILL'),
    async restart() {
      server = await launch(conf, folder, options.sentinel === true, cli);
    },
    async stop() {
      await end(server, 'SIGKILL');
      guard.ref();
      guard.stdin?.end();
      await once(guard, 'exit');
    },
  };
}

function configuration(options: RedisOptions, port: number, folder: string): string[] {
  const own = ['bind 127.0.0.1', 'protected-mode no', `dir ${folder}`, `pidfile ${join(folder, 'pid')}`];
  const ports = options.tls
    ? [
        'port 0',
        `tls-port ${port}`,
        `tls-cert-file ${join(folder, 'server.pem')}`,
        `tls-key-file ${join(folder, 'server.key')}`,
        `tls-ca-cert-file ${join(folder, 'ca.pem')}`,
        'tls-auth-clients no',
      ]
    : [`port ${port}`];
  const storage = options.sentinel ? [] : ['save ""', 'appendonly no', 'maxmemory-policy noeviction'];
  const users =
    options.acl === undefined ? [] : ['user default off', `user keyturn on >keyturn-test ${options.acl}`];
  return [...own, ...ports, ...storage, ...users, ...(options.config ?? [])];
}

function urlOf({ tls, acl }: RedisOptions, port: number, ca: string): string {
  const login = acl === undefined ? '' : 'keyturn:keyturn-test@';
  return `redis${tls ? 's' : ''}://${login}127.0.0.1:${port}${tls ? `?ca=${ca}` : ''}`;
}

async function launch(
  conf: string,
  folder: string,
  sentinel: boolean,
  cli: (...command: string[]) => Promise<string>,
): Promise<ChildProcess> {
  const log = join(folder, 'log');
  const server = spawn('redis-server', [conf, ...(sentinel ? ['--sentinel'] : []), '--logfile', log], {
    stdio: 'ignore',
  });
  for (let i = 0; i < 200; i++) {
    if (server.exitCode !== null) break;
    const answer = await cli('ping').catch(() => '');
    if (/PONG|NOPERM/.test(answer)) return server;
    await sleep(25);
  }
  server.kill('SIGKILL');
  throw new Error(`Redis did not start:\n${await readFile(log, 'utf8').catch(() => '')}`);
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill(signal);
  await once(server, 'exit');
}

/** Outlives this process, however that ends (its stdin then closes), and stops a server that is still there. */
function guardOf(folder: string): ChildProcess {
  const script = `read -r _; pid=$(cat "$1/pid" 2>/dev/null) && grep -qs redis-server "/proc/$pid/comm" && kill -9 "$pid"
    rm -rf "$1"`;
  const guard = spawn('sh', ['-c', script, 'sh', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.stdin?.on('error', () => undefined);
  guard.unref();
  return guard;
}

export interface RedisGroup {
  readonly url: string;
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Three masters. */
export async function startRedisCluster(): Promise<RedisGroup> {
  const servers = await Promise.all(
    [1, 2, 3].map(async () => startRedis({ config: ['cluster-enabled yes', 'cluster-node-timeout 2000'] })),
  );
  const nodes = servers.map(({ port }) => `127.0.0.1:${port}`);
  await run('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-yes']);
  for (const server of servers) await answers(server, /cluster_state:ok/, 'cluster', 'info');
  return { url: `redis+cluster://${nodes.join(',')}`, servers, stop: () => stopAll(servers) };
}

/** A master, its replica and one sentinel, which promotes the replica a second after the master is gone. */
export async function startRedisSentinel(): Promise<RedisGroup> {
  const master = await startRedis({ config: ['repl-diskless-sync-delay 0'] });
  const replica = await startRedis({
    config: [`replicaof 127.0.0.1 ${master.port}`],
  });
  await answers(replica, /master_link_status:up/, 'info', 'replication');
  const sentinel = await startRedis({
    sentinel: true,
    config: [
      `sentinel monitor queue 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds queue 1000',
      'sentinel failover-timeout queue 3000',
    ],
  });
  await answers(sentinel, new RegExp(`:${replica.port}\\b`), 'sentinel', 'replicas', 'queue');
  const servers = [master, replica, sentinel];
  return { url: `redis+sentinel://127.0.0.1:${sentinel.port}/queue`, servers, stop: () => stopAll(servers) };
}

async function answers(server: RedisServer, expected: RegExp, ...command: string[]): Promise<void> {
  let answer = '';
  for (let i = 0; i < 400; i++) {
    answer = await server.cli(...command);
    if (expected.test(answer)) return;
    await sleep(50);
  }
  throw new Error(`Redis still does not answer ${expected} to ${command.join(' ')}:\n${answer}`);
}

async function stopAll(servers: readonly RedisServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

/** A cluster node's bus takes the port 10000 above. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    if (address !== null && typeof address === 'object' && address.port < 55_000) return address.port;
  }
}
