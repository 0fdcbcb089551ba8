import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { withOneWorker } from '../support/cli.ts';
import { fixtureFile, sqliteFixture } from '../support/n8n/fixture.ts';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

export const consent = ['--iReallyWantToRotateMyMasterKey', '--iHaveBackedUpMyDatabase'];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** Resolves once stderr matches. */
  said(what: RegExp): Promise<void>;
  /** The output on stderr so far. */
  output(): string;
}

export interface Surroundings {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts the built command line in its own process, without the KEYTURN_ variables of this process. */
export function start(args: readonly string[], { cwd, env = {} }: Surroundings = {}): Started {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { PATH, HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return {
    child,
    ended,
    output: () => stderr,
    said: (what) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (what.test(stderr)) resolve();
        };
        look();
        child.stderr.on('data', look);
        child.once('close', () => reject(new Error(`it ended without saying ${what}:\n${stderr}`)));
      }),
  };
}

export async function keyturn(
  args: readonly string[],
  surroundings?: Surroundings & { input?: string },
): Promise<Ended> {
  const { child, ended } = start(withOneWorker(args), surroundings);
  child.stdin.end(surroundings?.input ?? '');
  return ended;
}

/** A folder with `database.sqlite` of a fixture and `old.key`. */
export interface Folder {
  readonly path: string;
  readonly database: string;
  readonly url: string;
  readonly oldKey: string;
  /** The options --job, --database and both keys. */
  readonly rotation: readonly string[];
  file(name: string): string;
  read(name: string): string;
  /** SHA-256 of the database file. */
  hash(): string;
  exec(sql: string): void;
  remove(): void;
}

export function emptyFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'keyturn-cli-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function n8nFolder(name: 'legacy-sqlite' | 'mixed-sqlite' = 'legacy-sqlite'): Folder {
  const { path } = emptyFolder();
  sqliteFixture(name, path);
  return folderWith(path, fixtureFile(name, 'encryption.key').toString('utf8'));
}

/** For a folder that already contains `database.sqlite`. */
export function folderWith(path: string, oldKey: string): Folder {
  const file = (name: string): string => join(path, name);
  const database = file('database.sqlite');
  const url = `sqlite:${database}`;
  writeFileSync(file('old.key'), oldKey, { mode: 0o600 });
  const keys = ['--current-key-file', file('old.key'), '--new-key-file', file('new.key')];
  return {
    path,
    database,
    url,
    oldKey,
    rotation: ['--job', 'n8n', '--database', url, ...keys],
    file,
    read: (named) => readFileSync(file(named), 'utf8'),
    hash: () => createHash('sha256').update(readFileSync(database)).digest('hex'),
    exec(sql) {
      const connection = new Sqlite(database);
      connection.exec(sql);
      connection.close();
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

export function tablesOf(database: string): string[] {
  const connection = new Sqlite(database, { readonly: true });
  try {
    return connection
      .prepare<[], { name: string }>("select name from sqlite_master where type = 'table'")
      .all()
      .map(({ name }) => name);
  } finally {
    connection.close();
  }
}
