import { execFileSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { Console, type Streams } from '../../src/terminal/console.ts';

interface Screen {
  readonly console: Console;
  stdout(): string;
  stderr(): string;
}

function screen(isTTY: boolean, columns: number): Screen {
  const output = () => Object.assign(new PassThrough(), { isTTY, columns });
  const streams = { stdin: new PassThrough(), stdout: output(), stderr: output() };
  return {
    console: new Console(streams as unknown as Streams, false),
    stdout: () => unreadOf(streams.stdout),
    stderr: () => unreadOf(streams.stderr),
  };
}

/** Since Node 26 one read returns one chunk. */
function unreadOf(stream: PassThrough): string {
  let text = '';
  for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) text += chunk;
  return text;
}

test('on a terminal, redrawing replaces the previous text, including lines that wrap', () => {
  const up = (lines: number): string => `\u001b[${lines}A\u001b[0J`;
  const { console, stdout } = screen(true, 10);
  for (const text of ['one\ntwo\n', 'eleven char\nb\n', 'one-word-of-more-than-20\n', 'c\n'])
    console.redraw(text);
  expect(stdout()).toBe(`one\ntwo\n${up(2)}eleven\nchar\nb\n${up(3)}one-word-of-more-than-20\n${up(3)}c\n`);
});

test('without a terminal, redrawing writes below the previous text', () => {
  const { console, stdout } = screen(false, 10);
  console.redraw('one\n');
  console.redraw('two\n');
  expect(stdout()).toBe('one\ntwo\n');
});

test('on a terminal, text wraps at words, and lines that continue a label start below its text', () => {
  const { console, stdout, stderr } = screen(true, 30);
  console.say('keyturn: hint: stop the application first; --force continues anyway');
  console.say('short');
  console.print(
    'rows:     89 rows, 96 values rotated, 1 already current\n 1. restart the application on every host\n',
  );
  expect(stderr()).toBe(
    'keyturn: hint: stop the\n         application first;\n         --force continues\n         anyway\nshort\n',
  );
  expect(stdout()).toBe(
    'rows:     89 rows, 96 values\n          rotated, 1 already\n          current\n 1. restart the application on\n    every host\n',
  );
});

test('without a terminal, text is not wrapped; data is never wrapped', () => {
  const text = 'keyturn: hint: stop the application first; --force continues anyway';
  const file = screen(false, 30);
  file.console.say(text);
  file.console.print(`${text}\n`);
  file.console.say('resume with:', 'keyturn resume --database sqlite:/srv/n8n/database.sqlite');
  expect(file.stdout()).toBe(`${text}\n`);
  expect(file.stderr()).toBe(
    `${text}\nresume with: keyturn resume --database sqlite:/srv/n8n/database.sqlite\n`,
  );
  const terminal = screen(true, 30);
  terminal.console.out(`${JSON.stringify({ text })}\n`);
  expect(terminal.stdout()).toBe(`${JSON.stringify({ text })}\n`);
});

test('a command that wraps on a terminal can still be copied to a shell', () => {
  const words = ['one', 'a file', 'sqlite:/srv/n8n/database.sqlite', "it's", 'last'];
  const command = `printf '%s\\n' one 'a file' sqlite:/srv/n8n/database.sqlite 'it'\\''s' last`;
  const { console, stderr } = screen(true, 24);
  console.say('resume with:', command);
  const [line, ...wrapped] = stderr().trimEnd().split('\n');
  expect(line).toBe('resume with:');
  expect(wrapped.length).toBeGreaterThan(2);
  for (const part of wrapped)
    expect(part.length).toBeLessThanOrEqual(Math.max(24, '  sqlite:/srv/n8n/database.sqlite \\'.length));
  expect(execFileSync('sh', ['-c', wrapped.join('\n')], { encoding: 'utf8' })).toBe(`${words.join('\n')}\n`);
});
