import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A temporary folder. When this process ends, in whatever way, a server that runs in it is killed and the folder removed. */
export interface Throwaway {
  readonly path: string;
  /** Call this when the server has stopped. */
  remove(): Promise<void>;
}

/**
 * @param program the name that the kernel shows for the server: no other process that has its old id is killed
 * @param pidFile where the server writes its process id, in the folder
 */
export async function throwaway(program: string, pidFile: string): Promise<Throwaway> {
  const path = await mkdtemp(join(tmpdir(), `keyturn-${program}-`));
  // Its standard input closes when this process ends. After SIGQUIT PostgreSQL leaves no children behind
  const script = `read -r _; pid=$(head -n 1 "$1/$2" 2>/dev/null)
    case $(cat "/proc/$pid/comm" 2>/dev/null) in
      "$3") kill -QUIT "$pid"; sleep 0.2; kill -KILL "$pid" 2>/dev/null
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done ;;
    esac
    rm -rf "$1"`;
  const guard = spawn('sh', ['-c', script, 'sh', path, pidFile, program], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.stdin.on('error', () => undefined);
  guard.unref();
  return {
    path,
    async remove() {
      guard.ref();
      guard.stdin.end();
      await once(guard, 'exit');
    },
  };
}

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly options?: SpawnOptions;
  /** Where the server writes its log. */
  readonly log: string;
  answers(): Promise<boolean>;
}

/** Resolves when the server answers. */
export async function launch({ program, args, options, log, answers }: Launch): Promise<ChildProcess> {
  const server = spawn(program, [...args], { stdio: 'ignore', ...options });
  let failure: unknown;
  server.once('error', (error) => {
    failure = error;
  });
  for (let i = 0; i < 2_400 && failure === undefined && !hasEnded(server); i++) {
    if (await answers()) return server;
    await sleep(25);
  }
  server.kill('SIGKILL');
  const told = await readFile(log, 'utf8').catch(() => '');
  throw new Error(`${program} did not start:\n${told.slice(-4_000)}`, { cause: failure });
}

/** Ends a server as a crash would (SIGKILL), or asks it to. */
export async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(server)) return;
  server.kill(signal);
  await once(server, 'exit');
}

function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null;
}

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Database servers do not run as root. Null: this process is not root, and they run as its own user. */
export async function ownerOfServers(name: string): Promise<Owner | null> {
  if (process.getuid?.() !== 0) return null;
  const [uid = 0, gid = 0] = await Promise.all(
    ['-u', '-g'].map(async (what) => Number((await run('id', [what, name])).stdout)),
  );
  return { uid, gid };
}

export async function giveTo(owner: Owner | null, ...paths: string[]): Promise<void> {
  if (owner !== null) for (const path of paths) await chown(path, owner.uid, owner.gid);
}

/** Below 55000: a node of a Redis cluster takes the port 10000 above its own too. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    server.close();
    await once(server, 'close');
    if (address !== null && typeof address === 'object' && address.port < 55_000) return address.port;
  }
}
