import { KeyturnError } from '../../error.ts';
import { NotAFile, readPlainFile } from '../../plain-file.ts';

/** More than any environment has. */
const maxBytes = 4 * 1024 * 1024;

const assignment = /^(?:export\s+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*)$/s;

/**
 * The environment that an application is started with, as far as files show it: `NAME=value` lines as docker --env-file,
 * systemd's EnvironmentFile and .env files have them, or what `env`, `docker inspect` and /proc/PID/environ show.
 */
export class ApplicationEnvironment {
  readonly #values = new Map<string, string>();
  /** Lines that are no assignment, by where they are. */
  readonly #others = new Map<string, string>();

  /** @throws KeyturnError `bad-option` */
  static read(paths: readonly string[]): ApplicationEnvironment {
    const environment = new ApplicationEnvironment();
    for (const path of paths) environment.#add(path, textOf(path));
    return environment;
  }

  /** Undefined where it is empty: applications take that for unset. */
  value(setting: string): string | undefined {
    return this.#values.get(setting);
  }

  /**
   * Whether the setting, or the setting that names a file with its value, is set.
   *
   * @throws KeyturnError `bad-option` if a line names the setting in another syntax
   */
  sets(setting: string): boolean {
    for (const name of [setting, `${setting}_FILE`]) {
      if (this.#values.has(name)) return true;
      for (const [where, line] of this.#others)
        if (new RegExp(`(?<!\\w)${name}(?!\\w)`).test(line)) throw notRead(where, name);
    }
    return false;
  }

  #add(path: string, text: string): void {
    if (/^\s*\[\w+\]\s*$/m.test(text)) throw unitFile(path);
    const lines = text.includes('\0') ? text.split('\0') : logicalLines(text);
    let assignments = 0;
    let others = 0;
    for (const [index, line] of lines.entries()) {
      const [, name = '', value = ''] = assignment.exec(line) ?? [];
      if (name !== '') {
        assignments++;
        this.#set(name, unquoted(value));
      } else if (line !== '' && !/^[#;]/.test(line)) {
        others++;
        this.#others.set(`${path}, line ${index + 1}`, line);
      }
    }
    if (assignments === 0 && others > 0) throw noAssignments(path);
  }

  #set(name: string, value: string): void {
    if (value === '') this.#values.delete(name);
    else this.#values.set(name, value);
  }
}

function textOf(path: string): string {
  try {
    const { bytes } = readPlainFile(path, { maxBytes, pipes: true, virtual: true });
    if (bytes.length > maxBytes) throw new NotAFile('it is too large');
    return bytes.toString('utf8');
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): KeyturnError {
  return new KeyturnError('bad-option', `cannot read ${path}: ${reasonOf(cause)}`, {
    cause,
    hint: 'use --application-env with a file of NAME=value lines that this user can read',
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof NotAFile) return error.message;
  return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'the file does not exist' : String(error);
}

/** One text per line; a line inside a value of several lines, in quotes or after a backslash, is empty. */
function logicalLines(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  for (let i = 0; i < lines.length; i++) {
    const last = lastLineOf(lines, i);
    lines.fill('', i + 1, last + 1);
    i = last;
  }
  return lines;
}

function lastLineOf(lines: readonly string[], first: number): number {
  const [, , value = ''] = assignment.exec(lines[first] ?? '') ?? [];
  const [quote] = /^["']/.exec(value) ?? [];
  if (quote !== undefined && !value.includes(quote, 1)) {
    const end = lines.findIndex((line, i) => i > first && line.endsWith(quote));
    // Docker knows no quotes: without an end this is a value that begins with one
    return end === -1 ? first : end;
  }
  let last = first;
  while (value !== '' && lines[last]?.endsWith('\\') === true && last + 1 < lines.length) last++;
  return last;
}

function unquoted(value: string): string {
  const [, , inside] = /^(["'])(.*?)\1\s*(?:#.*)?$/s.exec(value) ?? [];
  return inside ?? (value.startsWith('#') ? '' : value.trim());
}

function notRead(where: string, name: string): KeyturnError {
  return new KeyturnError('bad-option', `${where}: ${name} is not in the form ${name}=value`, {
    hint: `write the setting as ${name}=value, as docker --env-file and systemd EnvironmentFile expect it`,
  });
}

function unitFile(path: string): KeyturnError {
  return new KeyturnError('bad-option', `${path} is a unit file, not an environment file`, {
    hint: 'use --application-env with a file of the settings as NAME=value lines',
  });
}

function noAssignments(path: string): KeyturnError {
  return new KeyturnError('bad-option', `${path} contains no NAME=value line`, {
    hint: "use --application-env with the application's environment: an env file, or what env prints in its container",
  });
}
