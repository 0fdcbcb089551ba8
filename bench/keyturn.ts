import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BenchFormat, jobOf } from './formats.ts';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const usage = new URL('./usage.mjs', import.meta.url).href;

/** What a contender took. Seconds; what it has no phases for is absent. */
export interface Took {
  /** Every value is read, decrypted, encrypted and written. */
  readonly rotate: number;
  readonly verify?: number;
  /** The whole command, from the start of its process to its end. */
  readonly total?: number;
  /** Of all processes of the client. */
  readonly cpuSeconds?: number;
  /** Of the process that took the most. */
  readonly peakBytes?: number;
}

export interface Setting {
  readonly folder: string;
  readonly format: BenchFormat;
  readonly key: string;
}

interface Ended {
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** A process of keyturn as users start it. */
class Keyturn {
  readonly #child: ChildProcess;
  readonly #usageFile: string;
  #told = '';

  constructor(folder: string, name: string, args: readonly string[]) {
    this.#usageFile = join(folder, `${name}.usage`);
    this.#child = spawn(process.execPath, ['--import', usage, cli, ...args], {
      cwd: folder,
      env: { ...process.env, BENCH_USAGE: this.#usageFile },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child.stderr?.on('data', (text) => {
      this.#told += text;
    });
  }

  async ended(): Promise<Ended> {
    const { exitCode } = this.#child;
    const code = exitCode ?? (await once(this.#child, 'close'))[0];
    if (code !== 0) throw new Error(`keyturn ended with ${code}:\n${this.#told}`);
    return JSON.parse(readFileSync(this.#usageFile, 'utf8'));
  }
}

/** Rotates with worker threads, or with worker processes when a queue is given. */
export async function rotate(
  { folder, format, key }: Setting,
  url: string,
  name: string,
  { workers, queue }: { readonly workers: number; readonly queue?: string },
): Promise<{ readonly total: number; readonly used: Ended }> {
  writeFileSync(join(folder, 'job.yaml'), jobOf(format));
  writeFileSync(join(folder, 'current.key'), key, { mode: 0o600 });
  // Workers are started with the new key; otherwise the run makes it, as most users have it
  if (queue !== undefined) writeFileSync(join(folder, `${name}.key`), format.newKey(), { mode: 0o600 });
  const common = ['--database', url, '--current-key-file', 'current.key', '--new-key-file', `${name}.key`];
  const started = performance.now();
  const coordinator = new Keyturn(folder, name, [
    ...['rotate', '--job', 'job.yaml', ...common, '--report-dir', name],
    ...(queue === undefined ? ['--workers', String(workers)] : ['--queue', queue]),
    // The benchmark itself may be connected
    ...['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase', '--force'],
  ]);
  const others =
    queue === undefined
      ? []
      : Array.from({ length: workers }, (_, i) => {
          const args = ['worker', ...common, '--queue', queue, '--concurrency', '1', '--exit-when-done'];
          return new Keyturn(folder, `${name}-worker${i}`, args);
        });
  const used = [await coordinator.ended()];
  const total = (performance.now() - started) / 1000;
  for (const worker of others) used.push(await worker.ended());
  return {
    total,
    used: {
      cpuSeconds: used.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      peakBytes: Math.max(...used.map(({ peakBytes }) => peakBytes)),
    },
  };
}
