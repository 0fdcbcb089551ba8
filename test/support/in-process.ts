import { PassThrough } from 'node:stream';
import { execute } from '../../src/commands/execute.ts';
import { InFlight } from '../../src/in-flight.ts';
import { Console, type Streams } from '../../src/terminal/console.ts';
import { type Ended, withOneWorker } from './cli.ts';

const workerEntry = new URL('../../dist/worker-thread.js', import.meta.url);

/**
 * Runs a command line in the process of the test, without a terminal: what cli.ts does, but for signals. A process of its
 * own takes 0.5 s of CPU more, and runs code that is not yet compiled. For what is about a process, use `keyturn`.
 */
export async function keyturnHere(words: readonly string[], cwd: string): Promise<Ended> {
  const stdout = collecting();
  const stderr = collecting();
  const streams = { stdin: new PassThrough().end(), stdout: stdout.stream, stderr: stderr.stream };
  const before = process.cwd();
  process.chdir(cwd);
  try {
    const code = await execute(
      withOneWorker(words),
      {
        environment: {},
        terminal: new Console(streams as unknown as Streams, false),
        signal: new AbortController().signal,
        inFlight: new InFlight(),
        workerEntry,
        toolVersion: '0.0.0-test',
        folder: cwd,
        loginName: 'somebody',
        cores: 2,
      },
      100,
    );
    return { code, signal: null, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    process.chdir(before);
  }
}

function collecting(): { readonly stream: PassThrough; readonly text: () => string } {
  const stream = new PassThrough();
  let text = '';
  stream.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  return { stream, text: () => text };
}
