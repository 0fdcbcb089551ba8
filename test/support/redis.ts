import { type ChildProcess, execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeCertificates } from './certificates.ts';
import { install } from './debian.ts';
import { end, freePort, launch, throwaway } from './throwaway.ts';

const run = promisify(execFile);

export interface RedisOptions {
  /** Whether the server accepts only TLS, with a certificate of its own CA (`RedisServer.ca`). */
  readonly tls?: boolean;
  /** Rules of the only user, `keyturn` with the password `keyturn-test`; for example `~keyturn:* +@all`. */
  readonly acl?: string;
  readonly port?: number;
  /** More lines of redis.conf. */
  readonly config?: readonly string[];
  /** Whether it is a sentinel (`redis-server --sentinel`). */
  readonly sentinel?: boolean;
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Path of the CA certificate, if the server accepts TLS. */
  readonly ca: string;
  /** Ends the server like a crash (SIGKILL). */
  kill(): Promise<void>;
  /** Starts the server again after `kill`, on the same port. Its data is lost unless it wrote an append-only file (`config`). */
  restart(): Promise<void>;
  /** Runs a command with redis-cli. */
  cli(...command: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** Starts a Redis, 6.2 or later, on a free port, with its data in a temporary folder. It ends with this process. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  await install('redis-server');
  const folder = await throwaway('redis-server', 'pid');
  const port = options.port ?? (await freePort());
  const conf = join(folder.path, 'redis.conf');
  const log = join(folder.path, 'log');
  const ca = join(folder.path, 'ca.pem');
  if (options.tls) await makeCertificates(folder.path);
  await writeFile(conf, `${configuration(options, port, folder.path).join('\n')}\n`);
  const login =
    options.acl === undefined ? [] : ['--user', 'keyturn', '--pass', 'keyturn-test', '--no-auth-warning'];
  const tls = options.tls ? ['--tls', '--cacert', ca] : [];
  const cli = async (...command: string[]): Promise<string> =>
    (
      await run('redis-cli', ['-p', String(port), ...tls, ...login, ...command], { timeout: 20_000 })
    ).stdout.trim();
  const start = (): Promise<ChildProcess> =>
    launch({
      program: 'redis-server',
      args: [conf, ...(options.sentinel ? ['--sentinel'] : []), '--logfile', log],
      log,
      answers: async () => /PONG|NOPERM/.test(await cli('ping').catch(() => '')),
    });
  let server = await start();
  return {
    url: urlOf(options, port, ca),
    port,
    ca,
    cli,
    kill: () => end(server, 'SIGKILL'),
    async restart() {
      server = await start();
    },
    async stop() {
      await end(server, 'SIGKILL');
      await folder.remove();
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

export interface RedisGroup {
  readonly url: string;
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Starts a cluster of three masters. */
export async function startRedisCluster(): Promise<RedisGroup> {
  const servers = await Promise.all(
    [1, 2, 3].map(async () => startRedis({ config: ['cluster-enabled yes', 'cluster-node-timeout 2000'] })),
  );
  const nodes = servers.map(({ port }) => `127.0.0.1:${port}`);
  await run('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-yes']);
  for (const server of servers) await answers(server, /cluster_state:ok/, 'cluster', 'info');
  return { url: `redis+cluster://${nodes.join(',')}`, servers, stop: () => stopAll(servers) };
}

/** Starts a master, its replica and a sentinel, which promotes the replica one second after the master has ended. */
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
  throw new Error(`Redis did not answer ${expected} to ${command.join(' ')}:\n${answer}`);
}

async function stopAll(servers: readonly RedisServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}
