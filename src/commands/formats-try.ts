import { existsSync } from 'node:fs';
import { parse } from 'yaml';
import { KeyturnError } from '../error.ts';
import { type Tried, tryFormat } from '../formats/explain.ts';
import type { Format } from '../formats/format.ts';
import { formatNames, formatOf } from '../formats/registry.ts';
import { parseFormat } from '../job/parse-format.ts';
import type { Key } from '../keys/key.ts';
import { readKeyFile } from '../keys/key-file.ts';
import { readPlainFile } from '../plain-file.ts';
import { type Context, defineCommand } from './command.ts';
import { groups } from './options/options.ts';

const forms = ['text', 'base64', 'base64url', 'hex'] as const;
type Form = (typeof forms)[number];

export const formatsTry = defineCommand({
  words: ['formats try'],
  positional: 'values',
  describe: 'decrypt stored values, to find out how an application encrypts; stores nothing',
  epilogue: `Without values, each line of standard input is one. Without --format, all known formats are tried. What was decrypted is printed only with --show.

Example:
  keyturn formats try --format laravel --key-file app.key eyJpdiI6...`,
  options: {
    format: {
      type: 'string',
      group: groups.input,
      describe: 'name of a format, or a YAML file with a format as a job has it [default: all known formats]',
    },
    'key-file': { type: 'string', group: groups.keys, demandOption: true, describe: 'file of the key' },
    'key-form': {
      type: 'string',
      group: groups.keys,
      choices: forms,
      describe: 'how the key is written, as key.form in a job [default: each that is possible]',
    },
    show: { type: 'boolean', group: groups.output, describe: 'print what was decrypted' },
  },
  async run(context, args) {
    const given = (args as { values?: readonly unknown[] }).values ?? [];
    const values = given.length > 0 ? given.map(String) : await linesOf(context);
    if (values.length === 0)
      throw new KeyturnError('bad-option', 'no value given', {
        hint: 'give stored values as arguments, or one per line on standard input',
      });
    const keys = keysOf(args.keyFile, args.keyForm === undefined ? forms : [args.keyForm as Form]);
    const formats =
      args.format === undefined ? formatNames.map((name) => formatOf(name)) : [formatFrom(args.format)];
    const show = args.show === true;
    const tried = values.map((value) => formats.flatMap((format) => tryKeys(format, value, keys)));
    const all = args.format !== undefined;
    return {
      exitCode: tried.every((each) => each.some(isOpen)) ? 0 : 3,
      document: {
        values: tried.map((each) =>
          each.map(({ plain, reason, ...rest }) => ({
            ...rest,
            decrypts: plain !== null,
            ...(plain === null ? { reason } : show && { plaintext: plain.toString('utf8') }),
          })),
        ),
      },
      text: tried.map((each, i) => linesFor(`value ${i + 1}`, each, all, show)).join(''),
    };
  },
});

interface TriedFormat extends Tried {
  readonly format: string;
  readonly keyForm: Form;
}

function isOpen({ plain }: Tried): boolean {
  return plain !== null;
}

/** The result with the first form of the key that decrypts, otherwise with the first form. */
function tryKeys(format: Format, value: string, keys: ReadonlyMap<Form, Key>): TriedFormat[] {
  const tried = [...keys].map(([keyForm, key]) => ({
    format: format.name,
    keyForm,
    ...tryFormat(format, value, key),
  }));
  const best = tried.find(isOpen) ?? tried[0];
  return best === undefined ? [] : [best];
}

function linesFor(value: string, tried: readonly TriedFormat[], all: boolean, show: boolean): string {
  const opened = tried.filter(isOpen);
  const told = opened.length > 0 ? opened : all ? tried : [];
  if (told.length === 0) return `${value}: no known format decrypts it with this key\n`;
  return told
    .map(({ format, keyForm, plain, reason }) => {
      if (plain === null) return `${value}: ${format}: ${reason}\n`;
      const shown = show ? `: ${plain.toString('utf8')}` : '';
      return `${value}: ${format} decrypts it with the key as ${keyForm} (${plain.length} bytes)${shown}\n`;
    })
    .join('');
}

/** The key in each form in which its text is valid. */
function keysOf(file: string, wanted: readonly Form[]): Map<Form, Key> {
  const keys = new Map<Form, Key>();
  for (const form of wanted) {
    try {
      const shape = { form, trim: 'space', generate: { bytes: 32, as: 'base64' } } as const;
      keys.set(form, readKeyFile(file, shape).key);
    } catch (error) {
      const isOtherForm = error instanceof KeyturnError && error.code === 'key-shape' && wanted.length > 1;
      if (!isOtherForm) throw error;
    }
  }
  return keys;
}

function formatFrom(nameOrFile: string): Format {
  if (formatNames.includes(nameOrFile) || !existsSync(nameOrFile)) return formatOf(nameOrFile);
  const { bytes } = readPlainFile(nameOrFile, { maxBytes: 1024 * 1024, pipes: false });
  let content: unknown;
  try {
    content = parse(bytes.toString('utf8'));
  } catch (error) {
    throw notYaml(nameOrFile, error);
  }
  return formatOf(parseFormat(content, nameOrFile));
}

function notYaml(file: string, cause: unknown): KeyturnError {
  return new KeyturnError('job-invalid', `${file} is not valid YAML`, {
    cause,
    hint: 'jobs/README.md explains how a format is described',
  });
}

async function linesOf({ terminal }: Context): Promise<string[]> {
  return (await terminal.readInput()).split(/\r?\n/).filter((line) => line !== '');
}
