import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Place } from './n8n/store.ts';

const bin = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const killAt = new URL('./kill-at.mjs', import.meta.url).href;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** `<step>:<chunk>`: the process kills itself before this step. */
  readonly killAt?: string;
  /** Kills the process with SIGKILL after this time. */
  readonly killAfter?: number;
  /** The largest size that a file can have. */
  readonly maxFileBytes?: number;
  /** Called once, when stderr matches. */
  readonly when?: readonly [RegExp, (kill: (signal: NodeJS.Signals) => void) => void];
}

const threaded = ['rotate', 'rotate-master-key', 'resume', 'rollback', 'verify', 'retry'];

/** One worker thread, unless the words ask for more or for a queue: each takes 0.3 s of CPU to start. */
export function withOneWorker(words: readonly string[]): readonly string[] {
  const chosen = words.includes('--workers') || words.includes('--queue');
  return !chosen && threaded.some((word) => words.includes(word)) ? [...words, '--workers', '1'] : words;
}

/** Runs the built command as a user would, without a terminal. */
export async function keyturn(args: readonly string[], running: Running): Promise<Ended> {
  const preload = running.killAt === undefined ? [] : ['--import', killAt];
  const command = [process.execPath, ...preload, bin, ...withOneWorker(args)];
  const { maxFileBytes } = running;
  const limit = ['sh', '-c', `ulimit -f ${(maxFileBytes ?? 0) / 512} && exec "$@"`, 'sh'];
  const [file = '', ...words] = maxFileBytes === undefined ? command : [...limit, ...command];
  const child = spawn(file, words, {
    cwd: running.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      HOME: running.cwd,
      ...(running.killAt === undefined ? {} : { KEYTURN_TEST_KILL_AT: running.killAt }),
      ...running.env,
    },
  });
  let stdout = '';
  let stderr = '';
  let told = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (told || running.when === undefined || !running.when[0].test(stderr)) return;
    told = true;
    running.when[1]((signal) => child.kill(signal));
  });
  const timer =
    running.killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), running.killAfter);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  return { code, signal, stdout, stderr };
}

/** The options of a rotation of n8n. Key files are created in `dir`. */
export function rotation(
  dir: string,
  place: Place,
  oldKey: string,
  { newKey: next = join(dir, 'new.masterkey') } = {},
): { keys: string[]; all: string[] } {
  const current = join(dir, 'current.key');
  writeFileSync(current, oldKey, { mode: 0o600 });
  const url = place.schema === undefined ? place.url : `${place.url}?schema=${place.schema}`;
  const keys = ['--database', url, '--current-key-file', current, '--new-key-file', next];
  const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];
  return { keys, all: ['--job', 'n8n', ...keys, ...consent] };
}
