import { isAbsolute } from 'node:path';
import { KeyturnError } from '../../error.ts';
import type { KeyShapes } from '../../keys/key-shape.ts';

/** Key files as the options name them: FILE is that of the master key, NAME=FILE that of a further key of the job. */
export interface KeyFiles {
  readonly master: readonly string[];
  readonly named: ReadonlyMap<string, readonly string[]>;
}

export interface KeyFileArguments {
  readonly currentKeyFile?: readonly string[] | undefined;
  readonly currentKeyCommand?: string | undefined;
  readonly newKeyFile?: readonly string[] | undefined;
  readonly newKeyCommand?: string | undefined;
  readonly storeKeyCommand?: string | undefined;
}

/** A file whose name has an equals sign is not mistaken for a named key: only names of the job count. */
export function keyFiles(words: readonly string[] = [], { keys = {} }: KeyShapes): KeyFiles {
  const master: string[] = [];
  const named = new Map<string, string[]>();
  for (const word of words) {
    const [name = '', ...rest] = word.split('=');
    if (rest.length === 0 || !Object.hasOwn(keys, name)) master.push(word);
    else named.set(name, [...(named.get(name) ?? []), rest.join('=')]);
  }
  return { master, named };
}

/** Files of new keys: one for each key. @throws KeyturnError `bad-option` */
export function newKeyFiles(
  words: readonly string[] | undefined,
  shapes: KeyShapes,
): { readonly master: string | undefined; readonly named: ReadonlyMap<string, string> } {
  const { master, named } = keyFiles(words, shapes);
  const all = [master, ...named.values()];
  if (all.some((files) => files.length > 1))
    throw new KeyturnError('bad-option', '--new-key-file is given more than once for the same key', {
      hint: 'there is one new key; the further keys of a job have names: --new-key-file NAME=FILE',
    });
  return {
    master: master[0],
    named: new Map([...named].map(([name, [file = '']]) => [name, file])),
  };
}

/** The options that name the keys, for the command that resumes a run. @param newFile where the new key is */
export function keyWords(args: KeyFileArguments, shapes: KeyShapes, newFile: string): string[] {
  const { currentKeyFile, currentKeyCommand, newKeyFile, newKeyCommand } = args;
  const named = (option: string, given: readonly string[] | undefined): string[] =>
    [...keyFiles(given, shapes).named].flatMap(([name, files]) =>
      files.flatMap((file) => [option, `${name}=${file}`]),
    );
  const [current] = keyFiles(currentKeyFile, shapes).master;
  return [
    ...(currentKeyCommand === undefined ? [] : ['--current-key-command', currentKeyCommand]),
    ...(current === undefined ? [] : ['--current-key-file', current]),
    ...(newKeyCommand === undefined
      ? ['--new-key-file', isAbsolute(newFile) ? newFile : `../${newFile}`]
      : ['--new-key-command', newKeyCommand]),
    ...named('--current-key-file', currentKeyFile),
    ...named('--new-key-file', newKeyFile),
  ];
}
