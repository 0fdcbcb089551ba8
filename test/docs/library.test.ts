import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { expectMany, manySqlite } from '../support/n8n/many.ts';
import { root, textOf } from './pages.ts';

/**
 * The programs of docs/library.md, as they stand there, run in a folder of their own where keyturn is installed as a
 * package: what a user's program gets is the built module.
 */

const execute = promisify(execFile);
const oldKey = 'the old key of a program';
const credentials = 40;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-library-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/keyturn'));
  manySqlite(join(folder, 'database.sqlite'), { credentials, instanceKey: oldKey });
  writeFileSync(join(folder, 'old.key'), oldKey, { mode: 0o600 });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The program under a heading of the page. */
function programUnder(heading: string): string {
  const section = textOf('docs/library.md').split(`## ${heading}\n`)[1] ?? '';
  const program = /^```js\n(.*?)^```$/ms.exec(section)?.[1];
  if (program === undefined) throw new Error(`docs/library.md has no program under "${heading}"`);
  return program;
}

async function run(program: string): Promise<string> {
  const file = join(folder, 'program.mjs');
  writeFileSync(file, program);
  const { stdout } = await execute(process.execPath, [file], { cwd: folder });
  return stdout;
}

test('the program that rotates a key keeps every secret, and the one that verifies later agrees', async () => {
  const printed = await run(programUnder('Rotate a key'));
  expect(printed).toMatch(/verified/i);
  const newKeyFile = join(folder, 'new.key');
  expect(statSync(newKeyFile).mode & 0o777).toBe(0o600);
  const place = { url: `sqlite:${join(folder, 'database.sqlite')}` };
  expect(await expectMany(place, readFileSync(newKeyFile, 'utf8'), { credentials })).toEqual([]);
  expect(await run(programUnder('Verify later'))).toBe('verified\n');
});

test('the program that continues a run finishes one whose process died', async () => {
  const [beginning = ''] = programUnder('Rotate a key').split('const finished');
  await run(`${beginning}console.log(run.state);\nprocess.exit();\n`);
  expect(await run(programUnder('Continue a run'))).toBe('verified\n');
  const place = { url: `sqlite:${join(folder, 'database.sqlite')}` };
  const newKey = readFileSync(join(folder, 'new.key'), 'utf8');
  expect(await expectMany(place, newKey, { credentials })).toEqual([]);
});

test('a run cannot begin while another is unfinished', async () => {
  const [beginning = ''] = programUnder('Rotate a key').split('const finished');
  await run(`${beginning}process.exit();\n`);
  const again = beginning.replace("'new.key'", "'another.key'");
  await expect(run(again)).rejects.toMatchObject({
    stderr: expect.stringContaining("code: 'run-unfinished'"),
  });
});

test('the types that come with the package fit the programs', async () => {
  symlinkSync(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types'));
  const files = ['Rotate a key', 'Continue a run', 'Verify later'].map((heading, i) => {
    const file = join(folder, `program-${i}.mts`);
    writeFileSync(file, programUnder(heading));
    return file;
  });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const options = '--noEmit --module nodenext --target es2023 --types node --skipLibCheck --strict false';
  const { stdout } = await execute(process.execPath, [compiler, ...options.split(' '), ...files], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});
