import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Makes sure that a Debian package is there. `proof`: a shell command that succeeds once it is. */
export async function installed(name: string, proof: string): Promise<void> {
  if (await succeeds(proof)) return;
  if (process.getuid?.() !== 0 || !(await succeeds('command -v apt-get')))
    throw new Error(`${name} is not installed (Debian: apt-get install ${name})`);
  // Two test files at a time may ask for it: the lock lets one install
  const script = `${proof} || { apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends ${name}; }`;
  await run('flock', [join(tmpdir(), 'keyturn-apt.lock'), 'sh', '-c', script], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

async function succeeds(command: string): Promise<boolean> {
  return run('sh', ['-c', command]).then(
    () => true,
    () => false,
  );
}
