import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs';
import type { InFlight } from '../in-flight.ts';
import type { Logger } from '../terminal/log.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** What cli.ts gives to a command. Nothing below cli.ts reads the process itself. */
export interface Context {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  readonly log: Logger;
  /** Aborted when the user asks to stop; its reason is the name of the signal, such as SIGINT. */
  readonly signal: AbortSignal;
  /** What a request to stop waits for. */
  readonly inFlight: InFlight;
  /** The module that a worker thread runs. */
  readonly workerEntry: URL;
  readonly toolVersion: string;
  readonly folder: string;
  readonly loginName: string;
  readonly cores: number;
}

/** The result of a command that was not refused and did not fail; those throw. */
export interface CommandResult {
  readonly exitCode: 0 | 3 | 5;
  /** Plain data for --json. Null: everything is printed already. */
  readonly document: object | null;
  /** Text for people, on stdout. */
  readonly text: string;
}

export type OptionTable = Readonly<Record<string, Options>>;
/** The arguments of a command with these options. yargs gives an option in kebab-case in camelCase too. */
export type Arguments<O extends OptionTable> = ArgumentsCamelCase<InferredOptionTypes<O>>;

/** A command of the command line. */
export interface Command {
  readonly words: readonly string[];
  /** Name of the list of words that follow the command; absent: none may follow. */
  readonly positional?: string;
  readonly describe: string;
  /** What to know before using the command, and one example. */
  readonly epilogue: string;
  readonly options: OptionTable;
  /** Options whose file may be a pipe, besides those whose file may be one in every command. */
  readonly piped?: readonly string[];
  readonly run: (context: Context, args: never) => Promise<CommandResult>;
}

/** Derives the type of the arguments from the options of the same command. */
export function defineCommand<const O extends OptionTable>(command: {
  /** The name, then its aliases. */
  readonly words: readonly string[];
  readonly positional?: string;
  readonly describe: string;
  readonly epilogue: string;
  readonly options: O;
  readonly piped?: readonly string[];
  readonly run: (context: Context, args: Arguments<O>) => Promise<CommandResult>;
}): Command {
  return command;
}
