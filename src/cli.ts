#!/usr/bin/env node
import { availableParallelism, userInfo } from 'node:os';
import { execute } from './commands/execute.ts';
import { InFlight } from './in-flight.ts';
import { toolVersion, workerEntry } from './installation.ts';
import { Console } from './terminal/console.ts';

/** The environment, the signals and the exit code are read and set here, and nowhere else. */
const terminal = new Console(process, showsUnicode());
const stop = new AbortController();

// The reader of the output may go away (`| head`). The run goes on, and the exit code shows its result.
for (const output of [process.stdout, process.stderr]) output.on('error', ignoreClosedPipe);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopOn(signal));
process.exitCode = await execute(
  process.argv.slice(2),
  {
    environment: process.env,
    terminal,
    signal: stop.signal,
    inFlight: new InFlight(),
    workerEntry,
    toolVersion: toolVersion(),
    folder: process.cwd(),
    loginName: loginName(),
    cores: availableParallelism(),
  },
  process.stdout.columns ?? 100,
);
// An unanswered question or an open stdin must not keep the process alive.
process.stdin.unref?.();
// Nor must a connection whose server is silent.
setTimeout(() => process.exit(), stop.signal.aborted ? 100 : 2_000).unref();

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

/** The first signal asks to stop. The second exits at once: the database rolls back the chunks in flight. */
function stopOn(signal: NodeJS.Signals): void {
  if (stop.signal.aborted) process.exit(3);
  terminal.say(`keyturn: ${signal}: stopping after the chunks in flight; a second signal stops immediately`);
  stop.abort(signal);
}

function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    return process.env.USER ?? process.env.LOGNAME ?? 'unknown';
  }
}

function showsUnicode(): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  return /utf-?8/i.test(LC_ALL || LC_CTYPE || LANG || '');
}
