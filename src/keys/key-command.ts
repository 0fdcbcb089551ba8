import { spawn } from 'node:child_process';
import { KeyturnError } from '../error.ts';

/** More than any list of keys needs. */
const maxBytes = 64 * 1024;
/** A person may have to confirm it. */
const timeoutMs = 120_000;

/**
 * What a command prints, which is a key: it is neither logged nor part of an error. The command runs in a shell, with
 * stderr as its own, so that it can say what it needs.
 *
 * @param option that named the command
 * @throws KeyturnError `key-command-failed`
 */
export function outputOf(command: string, option: string, signal: AbortSignal): Promise<string> {
  return run(command, option, signal, null);
}

/** Gives a key to a command, on its stdin. @throws KeyturnError `key-command-failed` */
export async function giveTo(
  command: string,
  option: string,
  signal: AbortSignal,
  text: string,
): Promise<void> {
  await run(command, option, signal, text);
}

async function run(
  command: string,
  option: string,
  signal: AbortSignal,
  input: string | null,
): Promise<string> {
  const child = spawn(command, {
    shell: true,
    stdio: [input === null ? 'ignore' : 'pipe', 'pipe', 'inherit'],
    signal,
    timeout: timeoutMs,
  });
  const parts: Buffer[] = [];
  let bytes = 0;
  child.stdout?.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
    // Whatever the shell has started ends as well: it cannot write any more
    else child.stdout?.destroy();
  });
  // A command may end without reading its input: its exit code says whether that is a failure
  child.stdin?.on('error', () => undefined).end(input);
  const [code, killed] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, by) => resolve([status, by]));
  }).catch(() => {
    throw failed(option, 'it was stopped, or no shell could be started');
  });
  if (bytes > maxBytes) throw failed(option, 'it printed more than a key');
  if (code !== 0)
    throw failed(option, killed === null ? `it ended with exit code ${code}` : `it was ended by ${killed}`);
  const text = Buffer.concat(parts).toString('utf8');
  if (input === null && text.trim() === '') throw failed(option, 'it printed nothing');
  return text;
}

function failed(option: string, why: string): KeyturnError {
  return new KeyturnError('key-command-failed', `the command of ${option} failed: ${why}`, {
    hint: 'run the command in a shell; it must print the key and nothing else, and exit with 0',
  });
}
