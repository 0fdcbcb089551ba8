import yargs, { type Argv } from 'yargs';
import { KeyturnError } from '../error.ts';
import type { Command, OptionTable } from './command.ts';
import { assertNumbers, commonOptions } from './options/options.ts';
import { commandsFor } from './registry.ts';

const widest = 120;

/** The command that was given, with its arguments. */
export interface Chosen {
  readonly command: Command;
  readonly args: Readonly<Record<string, unknown>>;
}

interface Parsing {
  readonly chosen: Chosen[];
  /** Help or shell completion is asked for. */
  readonly readsHelp: boolean;
}

/**
 * Parses a command line. Returns null for help, the version or shell completion, which yargs has printed to stdout.
 *
 * @throws KeyturnError `bad-option`.
 */
export async function parseCommandLine(
  words: readonly string[],
  version: string,
  columns: number,
): Promise<Chosen | null> {
  const commands = await commandsFor(words[0]);
  const chosen: Chosen[] = [];
  const readsHelp = words.some((word) => word.startsWith('--help') || word === '--get-yargs-completions');
  const parser = yargs([...words])
    .scriptName('keyturn')
    .usage('keyturn <command> [options]')
    .parserConfiguration({ 'greedy-arrays': false })
    .detectLocale(false)
    .wrap(Math.min(columns, widest))
    .version(version)
    .completion('completion', 'print a script for shell completion')
    .strict()
    .demandCommand(1, 1, 'no command given', 'more than one command given')
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message, error) => {
      throw refused(message || error.message, words, commands);
    })
    .epilogue(
      'keyturn <command> --help shows the options of a command. Exit codes: 0 done and verified, 1 unexpected error, 2 refused and nothing changed, 3 incomplete and resumable or finished with exceptions, 4 another run holds the lock, 5 verification failed.',
    );
  for (const [name, group] of grouped(commands)) {
    const [only] = group;
    if (only !== undefined && group.length === 1 && name === only.words[0])
      add(parser, only.words, only, { chosen, readsHelp });
    else addGroup(parser, name, group, { chosen, readsHelp });
  }
  await parser.parseAsync();
  const [found] = chosen;
  if (found !== undefined) {
    refuseRepeated(found);
    assertNumbers(found.args);
  }
  return found ?? null;
}

/** Commands by the first word of their names. */
function grouped(all: readonly Command[]): Map<string, Command[]> {
  const groups = new Map<string, Command[]>();
  for (const command of all) {
    const first = (command.words[0] ?? '').split(' ')[0] ?? '';
    groups.set(first, [...(groups.get(first) ?? []), command]);
  }
  return groups;
}

function addGroup(parser: Argv, name: string, group: readonly Command[], parsing: Parsing): void {
  const names = group.map(({ words }) => (words[0] ?? '').slice(name.length + 1));
  parser.command(name, names.join(', '), (inner) => {
    group.forEach((command, i) => {
      add(inner, [names[i] ?? ''], command, parsing);
    });
    inner.demandCommand(
      1,
      1,
      `keyturn ${name} requires a subcommand: ${names.join(' or ')}`,
      'more than one command given',
    );
  });
}

function add(parser: Argv, words: readonly string[], command: Command, { chosen, readsHelp }: Parsing): void {
  const { positional } = command;
  const follows = positional === undefined ? '' : ` [${positional}..]`;
  parser.command(
    words.map((word) => word + follows),
    command.describe,
    (inner) =>
      inner
        .usage(`keyturn ${command.words[0]} [options]${follows}\n\n${command.describe}`)
        .options(readsHelp ? optionsOf(command) : hidden(optionsOf(command)))
        .epilogue(command.epilogue),
    (args) => {
      chosen.push({ command, args });
    },
  );
}

function optionsOf({ options }: Command): OptionTable {
  return { ...options, ...commonOptions };
}

/** yargs lays out the help of a command before it runs it: without its options that takes no time. */
function hidden(options: OptionTable): OptionTable {
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, { ...option, hidden: true }]),
  );
}

/** yargs turns an option that is given twice into a list. keyturn does not guess which of the two was meant. */
function refuseRepeated({ command, args }: Chosen): void {
  for (const [name, option] of Object.entries(optionsOf(command))) {
    if (!Array.isArray(args[name]) || ('array' in option && option.array === true)) continue;
    throw new KeyturnError('bad-option', `--${name} is given more than once`, { hint: 'give it only once' });
  }
}

function refused(message: string, words: readonly string[], commands: readonly Command[]): KeyturnError {
  const named = words.find((word) => !word.startsWith('-'));
  const known = commands.some((command) => command.words.some((word) => word.split(' ')[0] === named));
  const text = message.replace(/\s*\n\s*/g, ' ').replace(/^./, (first) => first.toLowerCase());
  return new KeyturnError(
    'bad-option',
    known ? withoutSecrets(text, words.slice(words.indexOf(named ?? '') + 1)) : text,
    {
      hint: known ? `keyturn ${named} --help shows its options` : 'keyturn --help shows the commands',
    },
  );
}

/** A word by itself may be a key with a blank before it: `--masterKey= KEY`. */
function withoutSecrets(message: string, words: readonly string[]): string {
  const unknown = /^unknown arguments?: (?<names>.*)$/.exec(message)?.groups?.names;
  const loose = words.filter((word) => !word.startsWith('-'));
  const isSecret = loose.some((word) => unknown?.includes(word));
  return isSecret ? 'unknown argument after the options (not shown, since it may be a key)' : message;
}
