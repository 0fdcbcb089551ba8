#!/usr/bin/env node
import { once } from 'node:events';
import { availableParallelism, userInfo } from 'node:os';
import type { Context } from './commands/command.ts';
import { type Chosen, parseCommandLine } from './commands/command-line.ts';
import { failureOf } from './commands/steps/failure.ts';
import { readPipedOptions } from './commands/steps/piped.ts';
import { KeyturnError } from './error.ts';
import { InFlight } from './in-flight.ts';
import { toolVersion, workerEntry } from './installation.ts';
import { Console } from './terminal/console.ts';
import { type LogLevel, openLog } from './terminal/log.ts';

/** The environment, the signals and the exit code are read and set here, and nowhere else. */
const version = toolVersion();
const terminal = new Console(process, showsUnicode());
const stop = new AbortController();
const inFlight = new InFlight();
/** How long a command has to end by itself once it is asked to stop and no chunk is in flight. */
const stopMs = 1_500;

// The reader of the output may go away (`| head`). The run goes on, and the exit code shows its result.
for (const output of [process.stdout, process.stderr]) output.on('error', ignoreClosedPipe);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopOn(signal));
process.exitCode = await main(process.argv.slice(2));
// An unanswered question or an open stdin must not keep the process alive.
process.stdin.unref?.();
// Nor must a connection whose server is silent.
setTimeout(() => process.exit(), stop.signal.aborted ? 100 : 2_000).unref();

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

async function main(words: readonly string[]): Promise<number> {
  const json = words.includes('--json');
  try {
    const chosen = await parseCommandLine(words, version, process.stdout.columns ?? 100);
    return chosen === null ? 0 : await run(chosen);
  } catch (error) {
    return fail(error, json);
  }
}

async function run({ command, args }: Chosen): Promise<number> {
  const log = openLog(args.logFile as string | undefined, args.logLevel as LogLevel | undefined, (text) =>
    terminal.say(`keyturn: warning: ${text}`),
  );
  const json = args.json === true;
  const context: Context = {
    environment: process.env,
    terminal,
    log,
    signal: stop.signal,
    inFlight,
    workerEntry,
    toolVersion: version,
    folder: process.cwd(),
    loginName: loginName(),
    cores: availableParallelism(),
  };
  try {
    const result = readPipedOptions(command, args).then(() => command.run(context, args as never));
    const { document, text, exitCode } = await Promise.race([result, overdue()]);
    if (!json) terminal.print(text);
    else if (document !== null) terminal.out(`${JSON.stringify(document, null, 2)}\n`);
    log.info({ exitCode }, 'done');
    return exitCode;
  } catch (error) {
    const { error: reported, trace } = failureOf(error);
    log.error({ code: reported.code, facts: reported.facts }, reported.message);
    log.debug({ trace }, 'stack traces');
    return fail(error, json);
  }
}

function fail(thrown: unknown, json: boolean): number {
  const { error, document, exitCode } = failureOf(thrown);
  terminal.say(`keyturn: error: ${error.message}`);
  if (error.hint !== undefined) terminal.say(`keyturn: hint: ${error.hint}`);
  if (json) terminal.out(`${JSON.stringify({ ...document, error }, null, 2)}\n`);
  return exitCode;
}

/** A server that is silent, a question or a hook does not keep a command that is asked to stop. */
async function overdue(): Promise<never> {
  await once(stop.signal, 'abort');
  await inFlight.quietFor(stopMs);
  throw new KeyturnError('stopped', `stopped by ${String(stop.signal.reason)}`, {
    hint: 'run the command again',
  });
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
