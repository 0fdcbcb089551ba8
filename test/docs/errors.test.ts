import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { type ErrorCode, KeyturnError } from '../../src/error.ts';
import { textOf } from './pages.ts';

/** docs/errors.md is what `--json` users rely on: every code there is, under the exit code that it has. */

const source = readFileSync(new URL('../../src/error.ts', import.meta.url), 'utf8');
const codes = [...source.matchAll(/^ {2}'?([a-z-]+)'?: [2-5],$/gm)].map(([, code]) => code as ErrorCode);

/** By exit code, in the order of the page. */
const listed = textOf('docs/errors.md')
  .split(/^## Exit code /m)
  .slice(1)
  .flatMap((section) =>
    [...section.matchAll(/^### (.+)\n+(.*)$/gm)].map(([, code = '', text = '']) => ({
      code,
      exitCode: Number.parseInt(section, 10),
      text,
    })),
  );

test('docs/errors.md lists every error code under its exit code, and no other', () => {
  expect(codes.length).toBeGreaterThan(50);
  const pairs = codes.map((code) => `${code}: ${new KeyturnError(code, '').exitCode}`);
  expect(listed.map(({ code, exitCode }) => `${code}: ${exitCode}`).sort()).toEqual(
    [...pairs, 'unexpected: 1'].sort(),
  );
});

test.each(listed)('docs/errors.md explains $code', ({ text }) => {
  expect(text).toMatch(/^\S.{20,}/);
});

test('docs/the-fine-print.md explains every reason of an exception, and no other', () => {
  const [, union = ''] =
    /type ExceptionReason =([^;]+);/.exec(textOf('src/checkpoint/exception-table.ts')) ?? [];
  const reasons = [...union.matchAll(/'([a-z-]+)'/g)].map(([, reason]) => reason);
  const [, table = ''] = textOf('docs/the-fine-print.md').split('Reasons of exceptions:');
  const [rows = ''] = table.trimStart().split('\n\n');
  const explained = [...rows.matchAll(/^\| `([a-z-]+)` +\| \S/gm)].map(([, reason]) => reason);
  expect(explained.sort()).toEqual(reasons.sort());
});
