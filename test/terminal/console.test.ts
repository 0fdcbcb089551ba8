import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { Console, type Streams } from '../../src/terminal/console.ts';

function drawn(terminal: boolean, ...texts: readonly string[]): string {
  const stdout = Object.assign(new PassThrough(), { isTTY: terminal, columns: 10 });
  const streams = { stdin: new PassThrough(), stdout, stderr: new PassThrough() } as unknown as Streams;
  const console = new Console(streams, false);
  for (const text of texts) console.redraw(text);
  return String(stdout.read());
}

test('on a terminal a drawing takes the place of the last one, lines that wrap included', () => {
  const up = (lines: number): string => `\u001b[${lines}A\u001b[0J`;
  expect(drawn(true, 'one\ntwo\n', 'eleven char\nb\n', 'c\n')).toBe(
    `one\ntwo\n${up(2)}eleven char\nb\n${up(3)}c\n`,
  );
});

test('without one it stands below', () => {
  expect(drawn(false, 'one\n', 'two\n')).toBe('one\ntwo\n');
});
