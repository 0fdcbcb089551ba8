import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApplicationEnvironment } from '../../../src/inventory/keys/application-environment.ts';

let dir: string;
let files = 0;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'keyturn-environment-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function environment(...texts: string[]): ApplicationEnvironment {
  return ApplicationEnvironment.read(
    texts.map((text) => {
      const path = join(dir, `${files++}.env`);
      writeFileSync(path, text);
      return path;
    }),
  );
}

describe('a setting is set', () => {
  test.each([
    ['of docker', 'S=a value # of it'],
    ['of a shell', 'export S="a value"'],
    ['of Windows', 'A=1\r\nS=x\r\n'],
    ['with white space', '  S = x '],
    ['by a file with its value', 'S_FILE=/run/secrets/s'],
    ['of a process', 'A=several\nS-less\nlines\0S=x\0'],
    ['after a value of several lines', 'KEY="begin\nend"\nS=x'],
    ['after a continued line', 'ARGS=--a \\\n --b\nS=x'],
    ['after a quote that docker takes as it is', 'A="\nB=1\nS=x'],
    ['more than once', 'S=\nS=x'],
    ['to a hash that is not a comment', 'S=a#b'],
  ])('%s', (_, text) => {
    expect(environment(text).sets('S')).toBe(true);
  });

  test('by one of several files', () => {
    expect(environment('A=1', 'S=x').sets('S')).toBe(true);
  });
});

describe('a setting is not set', () => {
  test.each([
    ['by an empty value', 'S='],
    ['by empty quotes', "S='' # none"],
    ['by a comment', '# S=x\n; S=x\nA=1'],
    ['by a longer name', 'MY_S=x\nS_2=x'],
    ['in a value of several lines', 'KEY="begin\nS=x\nend"'],
    ['by an empty file', ''],
    ['if it is emptied later', 'S=x\nS='],
  ])('%s', (_, text) => {
    expect(environment(text).sets('S')).toBe(false);
  });
});

test.each([
  ['a name alone', 'A=1\nS'],
  ['a list of YAML', 'A=1\n - S=x'],
  ['a mapping of YAML', 'A=1\nS: x'],
])('what names the setting in another syntax is refused with its line: %s', (_, text) => {
  expect(() => environment(text).sets('S')).toThrow(
    expect.objectContaining({
      code: 'bad-option',
      message: expect.stringContaining('line 2: S is not in the form'),
    }),
  );
});

test.each([
  ['services:\n  n8n:', 'contains no NAME=value line'],
  ['[Service]\nUser=n8n', 'is a unit file'],
])('a file of another kind is refused: %j', (text, why) => {
  expect(() => environment(text)).toThrow(
    expect.objectContaining({ code: 'bad-option', message: expect.stringContaining(why) }),
  );
});

(existsSync('/proc/self/environ') ? test : test.skip)(
  'the environment of a running process can be read',
  () => {
    expect(ApplicationEnvironment.read([`/proc/${process.pid}/environ`]).sets('PATH')).toBe(true);
  },
);

test('the value is the text of the line, without quotes', () => {
  expect(environment('S=a+b/c==').value('S')).toBe('a+b/c==');
  expect(environment('S="a b" # c').value('S')).toBe('a b');
});
