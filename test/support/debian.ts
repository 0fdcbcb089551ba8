import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What some tests need and no npm package brings: Debian packages, and a command that succeeds once each is installed. */
const packages = {
  'mariadb-server': 'command -v mariadbd',
  'redis-server': 'command -v redis-server',
  faketime: 'ls /usr/lib/*/faketime/libfaketimeMT.so.1',
} as const;

export type Package = keyof typeof packages;
export const packageNames = Object.keys(packages) as Package[];

export function isInstalled(name: Package): Promise<boolean> {
  return succeeds(packages[name]);
}

/** Root on Debian installs what is missing; others cannot. */
export async function isInstallable(): Promise<boolean> {
  return process.getuid?.() === 0 && (await succeeds('command -v apt-get'));
}

export async function install(name: Package): Promise<void> {
  if (await isInstalled(name)) return;
  if (!(await isInstallable())) throw new Error(`${name} is not installed (Debian: apt-get install ${name})`);
  // Two processes may install at the same time: the second waits for the lock. No server is started by its package
  const script = `${packages[name]} || { apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends ${name}; }`;
  await run('flock', ['/tmp/keyturn-apt.lock', 'sh', '-c', script], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 64 * 1024 * 1024,
  });
}

async function succeeds(command: string): Promise<boolean> {
  return run('sh', ['-c', command]).then(
    () => true,
    () => false,
  );
}

/** False for a package that is neither installed nor installable here (global-setup.ts). */
export function has(name: Package): boolean {
  return !(process.env.KEYTURN_TEST_MISSING ?? '').split(' ').includes(name);
}
