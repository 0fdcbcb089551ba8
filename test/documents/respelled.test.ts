import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Document } from '../../src/documents/document.ts';
import { type Carried, documentOf } from '../../src/documents/registry.ts';

const signature = { beginning: 'enc:', alphabet: 'abc', padding: 2, parts: 1, separator: '' };

function declared(carried: Omit<Carried, 'document'> & Partial<Carried>): Document {
  return documentOf({ document: 'text', ...carried }, signature);
}

function texts(document: Document, value: string): string[] {
  const leaves = document.leaves(value).map(({ text }) => text);
  expect([...document.read(value)].map(({ text }) => text)).toEqual(leaves);
  return leaves;
}

/** The value with every leaf made `to`. */
function replaced(document: Document, value: string, to: string): string {
  return document.edit(
    value,
    document.leaves(value).map((leaf) => ({ leaf, text: to })),
  );
}

const line = (length: number, of = 'x'): string => of.repeat(length);

describe('white space around ciphertext', () => {
  test('is not part of the leaf and is kept', () => {
    const document = declared({ trim: true });
    for (const [before, after] of [
      ['', ''],
      ['', '\n'],
      ['\ufeff \t', '\r\n'],
      ['', '     '],
    ] as const) {
      expect(texts(document, `${before}old${after}`)).toEqual(['old']);
      expect(replaced(document, `${before}old${after}`, 'new')).toBe(`${before}new${after}`);
    }
  });

  test('is all that a blank value contains', () => {
    expect(texts(declared({ trim: true }), ' \n')).toEqual(['']);
  });

  test('is kept around every item of a list and in strings of JSON', () => {
    const list = declared({ trim: true, document: 'list' });
    expect(texts(list, 'a, b ,c')).toEqual(['a', 'b', 'c']);
    expect(replaced(list, 'a, b ,c', 'new')).toBe('new, new ,new');
    const json = declared({ trim: true, document: { json: ['.a'] } });
    expect(texts(json, '{ "a" : "old\\n", "b": 1.0 }')).toEqual(['old']);
    expect(replaced(json, '{ "a" : "old\\n", "b": 1.0 }', 'new')).toBe('{ "a" : "new\\n", "b": 1.0 }');
  });

  test('is part of the leaf unless the job says otherwise', () => {
    expect(texts(declared({}), 'old\n')).toEqual(['old\n']);
    expect(texts(declared({ lines: 60 }), ' old')).toEqual([' old']);
  });
});

describe('ciphertext in lines', () => {
  const document = declared({ lines: 60 });

  test.each([
    ["Ruby's pack, with a line end behind the last", 60, `${line(60)}\n${line(60)}\n${line(7)}\n`],
    ['MySQL, with none behind the last', 76, `${line(76)}\n${line(76)}\n${line(4)}`],
    ['PHP, with CR and LF', 76, `${line(76)}\r\n${line(1)}\r\n`],
    ['old line ends', 60, `${line(60)}\r${line(3)}\r`],
    ['a last line that is full', 60, `${line(60)}\n${line(60)}\n`],
    ['one full line', 60, `${line(60)}\n`],
    ['one short line', 60, `${line(8)}\n`],
    ['one short line without an end', 60, line(8)],
    ['a long line that nobody broke', 60, line(200)],
    ['a long line that nobody broke, with an end', 60, `${line(200)}\n`],
    ['a prefix that does not count', 60, `enc:${line(60)}\n${line(60)}\n${line(12)}\n`],
    ['a prefix that does not count, on the only line', 60, `enc:${line(58)}\n`],
  ])('is read, and written as it was: %s', (_, lines, value) => {
    const written = declared({ lines });
    const joined = value.replace(/[\r\n]/g, '');
    expect(texts(written, value)).toEqual([joined]);
    const other = joined.replaceAll('x', 'y');
    expect(replaced(written, value, other)).toBe(value.replaceAll('x', 'y'));
  });

  test.each([
    ['lines of another length', `${line(66)}\n${line(10)}\n`],
    ['a last line that is too long', `${line(60)}\n${line(61)}\n`],
    ['a short line between', `${line(60)}\n${line(9)}\n${line(60)}\n`],
    ['an empty line behind it', `${line(60)}\n\n`],
    ['an empty line within', `${line(60)}\n\n${line(60)}`],
    ['a line end before it', `\n${line(60)}`],
    ['two kinds of line ends', `${line(60)}\r\n${line(60)}\n${line(3)}`],
    ['two line ends and nothing else', '\n\n'],
    ['a prefix on a line that is not the first', `${line(60)}\n${line(64)}\n${line(2)}`],
  ])('is not taken for it: %s', (_, value) => {
    expect(texts(document, value)).toEqual([value]);
    expect(replaced(document, value, 'new')).toBe('new');
  });

  test('is broken at the same width if it grows, and becomes one line if it is short enough', () => {
    expect(replaced(document, `${line(60)}\r\n${line(5)}\r\n`, line(150, 'y'))).toBe(
      `${line(60, 'y')}\r\n${line(60, 'y')}\r\n${line(30, 'y')}\r\n`,
    );
    expect(replaced(document, 'short\n', line(61, 'y'))).toBe(`${line(60, 'y')}\ny\n`);
    expect(replaced(document, `${line(60)}\n${line(5)}`, 'short')).toBe('short');
    expect(replaced(document, line(70), line(150, 'y'))).toBe(line(150, 'y'));
    expect(replaced(document, `enc:${line(60)}\nx`, line(125, 'y'))).toBe(
      `${line(64, 'y')}\n${line(60, 'y')}\ny`,
    );
  });

  test('can be in strings of JSON and have white space around it', () => {
    const json = declared({ lines: 60, trim: true, document: 'any' });
    const value = `{"a":" ${line(60)}\\n${line(4)}\\n\\n"}`;
    expect(texts(json, value)).toEqual([line(64)]);
    expect(replaced(json, value, line(64, 'y'))).toBe(value.replaceAll('x', 'y'));
  });
});

test('both parsers read any value alike, and replacing a leaf with itself changes nothing', () => {
  const spelling = fc.record({
    trim: fc.boolean(),
    lines: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
  });
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r', ' '), maxLength: 24 });
  fc.assert(
    fc.property(spelling, value, (how, stored) => {
      const document = declared(how);
      const [text = ''] = texts(document, stored);
      expect(replaced(document, stored, text)).toBe(stored);
      const other = text.replace(/[ab]/g, 'c');
      expect(replaced(document, stored, other)).toBe(stored.replace(/[ab]/g, 'c'));
    }),
    { numRuns: 2000 },
  );
});
