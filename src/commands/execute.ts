import { once } from 'node:events';
import { KeyturnError } from '../error.ts';
import { type LogLevel, openLog } from '../terminal/log.ts';
import type { Context } from './command.ts';
import { type Chosen, parseCommandLine } from './command-line.ts';
import { failureOf } from './steps/failure.ts';
import { readPipedOptions } from './steps/piped.ts';

/** What a command gets from the process that it runs in. */
export type Surroundings = Omit<Context, 'log'>;

/** How long a command has to end by itself once it is asked to stop and no chunk is in flight. */
const stopMs = 1_500;

/**
 * Runs a command line and prints its result, or why it failed.
 *
 * @param columns width of the help
 * @returns the exit code
 */
export async function execute(
  words: readonly string[],
  surroundings: Surroundings,
  columns: number,
): Promise<number> {
  try {
    const chosen = await parseCommandLine(words, surroundings.toolVersion, columns);
    return chosen === null ? 0 : await run(chosen, surroundings);
  } catch (error) {
    return fail(error, words.includes('--json'), surroundings);
  }
}

async function run({ command, args }: Chosen, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings;
  const log = openLog(args.logFile as string | undefined, args.logLevel as LogLevel | undefined, (text) =>
    terminal.say(`keyturn: warning: ${text}`),
  );
  const json = args.json === true;
  try {
    const context: Context = { ...surroundings, log };
    const result = readPipedOptions(command, args).then(() => command.run(context, args as never));
    const { document, text, exitCode } = await Promise.race([result, overdue(surroundings)]);
    if (!json) terminal.print(text);
    else if (document !== null) terminal.out(`${JSON.stringify(document, null, 2)}\n`);
    log.info({ exitCode }, 'done');
    return exitCode;
  } catch (error) {
    const { error: reported, trace } = failureOf(error);
    log.error({ code: reported.code, facts: reported.facts }, reported.message);
    log.debug({ trace }, 'stack traces');
    return fail(error, json, surroundings);
  }
}

function fail(thrown: unknown, json: boolean, { terminal }: Surroundings): number {
  const { error, document, exitCode } = failureOf(thrown);
  terminal.say(`keyturn: error: ${error.message}`);
  if (error.hint !== undefined) terminal.say(`keyturn: hint: ${error.hint}`);
  if (json) terminal.out(`${JSON.stringify({ ...document, error }, null, 2)}\n`);
  return exitCode;
}

/** A server that is silent, a question or a hook does not keep a command that is asked to stop. */
async function overdue({ signal, inFlight }: Surroundings): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  await inFlight.quietFor(stopMs);
  throw new KeyturnError('stopped', `stopped by ${String(signal.reason)}`, {
    hint: 'run the command again',
  });
}
