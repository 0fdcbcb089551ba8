import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs';
import type { Logger } from '../terminal/log.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** What a command is given by the composition root: nothing below reads the process itself. */
export interface Context {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly terminal: Terminal;
  readonly log: Logger;
  /** Asks to stop; its reason is the name of the system's signal. */
  readonly signal: AbortSignal;
  /** Module that a worker thread runs. */
  readonly workerEntry: URL;
  readonly toolVersion: string;
  readonly folder: string;
  readonly loginName: string;
  readonly cores: number;
}

/** How a command ended; what made it refuse or fail is thrown. */
export interface Outcome {
  readonly exitCode: 0 | 3 | 5;
  /** For --json: plain data; null: everything was told already. */
  readonly document: object | null;
  /** For people, on stdout. */
  readonly text: string;
}

export type OptionTable = Readonly<Record<string, Options>>;
/** Of a command with these options; an option in kebab-case is there in camelCase too. */
export type Arguments<O extends OptionTable> = ArgumentsCamelCase<InferredOptionTypes<O>>;

/** A command whose options were checked, ready to be called. */
export interface Command {
  readonly words: readonly string[];
  readonly describe: string;
  /** What each argument is, and one worked example. */
  readonly epilogue: string;
  readonly options: OptionTable;
  readonly run: (context: Context, args: never) => Promise<Outcome>;
}

/** Ties the arguments' types to the options of the same command. */
export function defineCommand<const O extends OptionTable>(command: {
  /** The first is the name, the others are aliases. */
  readonly words: readonly string[];
  readonly describe: string;
  readonly epilogue: string;
  readonly options: O;
  readonly run: (context: Context, args: Arguments<O>) => Promise<Outcome>;
}): Command {
  return command;
}
