import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Edit, type Leaf, MalformedDocument } from '../../src/documents/document.ts';
import { json } from '../../src/documents/json.ts';
import { jsonText } from './json-text.ts';

const any = json('any');

function said(
  leaves: Iterable<{ readonly path: string; readonly text: string }>,
): { path: string; text: string }[] {
  return [...leaves].map(({ path, text }) => ({ path, text }));
}

function outcome(parse: () => unknown): 'parsed' | 'malformed' {
  try {
    parse();
    return 'parsed';
  } catch (error) {
    if (error instanceof MalformedDocument || error instanceof SyntaxError) return 'malformed';
    throw error;
  }
}

describe('leaves', () => {
  test('are all string values at any depth, each with its own path, but not keys or other values', () => {
    const value = '{"a":"1","b":{"a.b":"2","":["3",4,null,{"k":"5"}],"[0]":"6","é":"7"},"0":["8"]}';
    expect(said(any.leaves(value))).toEqual([
      { path: '.a', text: '1' },
      { path: '.b["a.b"]', text: '2' },
      { path: '.b[""][0]', text: '3' },
      { path: '.b[""][3].k', text: '5' },
      { path: '.b["[0]"]', text: '6' },
      { path: '.b["é"]', text: '7' },
      { path: '.0[0]', text: '8' },
    ]);
  });

  test('at certain paths are exactly the strings there, including every occurrence of a duplicate key', () => {
    const named = json(['.secret', '.list[1]', '.deep.er', '.number', '.missing']);
    const value =
      '{"secret":"1","list":["x","2"],"deep":{"er":"3","secret":"x"},"number":5,"secret":null,"secret":"4","deep":"x","s\\u0065cret":"5"}';
    const expected = [
      { path: '.secret', text: '1' },
      { path: '.list[1]', text: '2' },
      { path: '.deep.er', text: '3' },
      { path: '.secret', text: '4' },
      { path: '.secret', text: '5' },
    ];
    expect(said(named.leaves(value))).toEqual(expected);
    expect(said(named.read(value))).toEqual(expected);
  });

  test('a member named 0 is not the first item', () => {
    const value = '{"a":{"0":"member"},"b":["item"]}';
    expect(said(json(['.a[0]', '.b.0']).leaves(value))).toEqual([]);
    expect(said(json(['.a.0', '.b[00]']).leaves(value))).toEqual(said(any.leaves(value)));
    expect(said(json(['.a.0', '.b[00]']).read(value))).toEqual(said(any.leaves(value)));
  });

  test('include ciphertext that is written with escapes', () => {
    const value = '["U2FsdGVkX1\\u002Bab\\/c=","\\u0055\\u0032FsdGVkX1+ab/c="]';
    expect(any.leaves(value).map(({ text }) => text)).toEqual(['U2FsdGVkX1+ab/c=', 'U2FsdGVkX1+ab/c=']);
  });

  test('of random texts are what was put in, with both parsers, in order of position', () => {
    fc.assert(
      fc.property(jsonText, ({ text, leaves }) => {
        const found = any.leaves(text);
        expect(said(found)).toEqual(leaves);
        expect(said(any.read(text))).toEqual(leaves);
        for (const leaf of found) {
          expect(text[leaf.start - 1]).toBe('"');
          expect(JSON.parse(text.slice(leaf.start - 1, leaf.end + 1))).toBe(leaf.text);
        }
        expect(found.map(({ start }) => start)).toEqual(
          found.map(({ start }) => start).sort((a, b) => a - b),
        );
      }),
      { numRuns: 1000 },
    );
  });

  test('at certain paths of random texts are the same with both parsers', () => {
    const paths = fc.uniqueArray(
      fc.constantFrom<string>('.a', '.b', '.0', '[0]', '[1]', '.a.b', '.a[0]', '[0].a', '.b.a.0'),
      {
        minLength: 1,
      },
    );
    fc.assert(
      fc.property(jsonText, paths, ({ text, leaves }, wanted) => {
        const expected = leaves.filter(({ path }) => wanted.includes(path));
        expect(said(json(wanted).leaves(text))).toEqual(expected);
        expect(said(json(wanted).read(text))).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('an edit', () => {
  test('replaces only the leaf: numbers, duplicate keys, white space and escapes stay', () => {
    const value =
      ' {\t"a" : "U2FsdGVkX1\\u002B" ,"n":12345678901234567890, "a":"\\ud83d\\uDD11\\/", "e":1e400,\r\n"x":"\\ud800"}\n';
    const [first, second] = any.leaves(value) as [Leaf, Leaf];
    expect(any.edit(value, [{ leaf: first, text: 'new+/' }])).toBe(
      value.replace('U2FsdGVkX1\\u002B', 'new+/'),
    );
    expect(any.edit(value, [{ leaf: second, text: 'new' }])).toBe(value.replace('\\ud83d\\uDD11\\/', 'new'));
  });

  test('does not change the same text elsewhere', () => {
    const value = '["same","same",{"same":"same"}]';
    const leaf = any.leaves(value)[1] as Leaf;
    expect(any.edit(value, [{ leaf, text: 'other' }])).toBe('["same","other",{"same":"same"}]');
  });

  test('escapes what JSON requires and nothing else', () => {
    const [leaf] = any.leaves('"x"') as [Leaf];
    expect(any.edit('"x"', [{ leaf, text: '"\\/+é\u2028\n\u0001🔑\ud800' }])).toBe(
      '"\\"\\\\/+é\u2028\\n\\u0001🔑\\ud800"',
    );
  });

  test('of random leaves of random texts changes no character outside them', () => {
    const choices = fc.infiniteStream(fc.option(fc.string({ unit: 'binary' }), { nil: undefined }));
    fc.assert(
      fc.property(jsonText, choices, ({ text }, stream) => {
        const leaves = any.leaves(text);
        const edits: Edit[] = [];
        const expected = said(leaves);
        for (const [i, leaf] of leaves.entries()) {
          const fresh: string | undefined = stream.next().value;
          if (fresh === undefined) continue;
          edits.unshift({ leaf, text: fresh });
          expected[i] = { path: leaf.path, text: fresh };
        }
        const edited = any.edit(text, edits);
        const after = any.leaves(edited);
        expect(said(after)).toEqual(expected);
        expect(said(any.read(edited))).toEqual(expected);
        expect(outside(edited, after)).toEqual(outside(text, leaves));
        const touched = new Set(edits.map(({ leaf }) => leaf));
        const spellings = (value: string, of: Leaf[]) =>
          of
            .filter((_, i) => !touched.has(leaves[i] as Leaf))
            .map(({ start, end }) => value.slice(start, end));
        expect(spellings(edited, after)).toEqual(spellings(text, leaves));
      }),
      { numRuns: 1000 },
    );
  });

  test('with the same text changes nothing', () => {
    fc.assert(
      fc.property(jsonText, ({ text }) => {
        expect(
          any.edit(
            text,
            any.leaves(text).map((leaf) => ({ leaf, text: leaf.text })),
          ),
        ).toBe(text);
      }),
    );
  });

  test('of the same leaf twice is refused', () => {
    const [leaf] = any.leaves('["x"]') as [Leaf];
    const edits = [
      { leaf, text: 'y' },
      { leaf, text: 'z' },
    ];
    expect(() => any.edit('["x"]', edits)).toThrow(RangeError);
  });
});

function outside(value: string, leaves: readonly Leaf[]): string[] {
  const starts = [0, ...leaves.map(({ end }) => end)];
  return starts.map((start, i) => value.slice(start, leaves[i]?.start));
}

describe('text that is not JSON', () => {
  test.each([
    '',
    ' ',
    '{',
    '[',
    '"',
    '"\\"',
    '[1,]',
    '[,1]',
    '{"a":1,}',
    '{,}',
    '{"a"}',
    '{"a":}',
    '{a:1}',
    "{'a':1}",
    '{1:1}',
    '[1 2]',
    '["a" "b"]',
    '{"a":1 "b":2}',
    '[1}',
    '{"a":1]',
    '[]]',
    '[] []',
    'nul',
    'nulll',
    'True',
    'NaN',
    'Infinity',
    'undefined',
    '01',
    '-',
    '-01',
    '+1',
    '.5',
    '1.',
    '1e',
    '1e+',
    '0x10',
    '1_0',
    '"\\x41"',
    '"\\u00g0"',
    '"\\u12"',
    '"\\',
    '"a\nb"',
    '"\t"',
    '"\u0000"',
    '// c\n1',
    '1 // c',
    '/* c */1',
    '[1/* c */]',
    '\ufeff1',
    '\u00a01',
    '\u20281',
    '\v1',
    '\f1',
  ])('%j is malformed by both roads', (value) => {
    expect(outcome(() => JSON.parse(value))).toBe('malformed');
    expect(outcome(() => any.leaves(value))).toBe('malformed');
    expect(outcome(() => any.read(value))).toBe('malformed');
    expect(outcome(() => json(['.a']).leaves(value))).toBe('malformed');
  });

  test('is what JSON.parse rejects', () => {
    const splice = fc.record({
      at: fc.nat(),
      remove: fc.nat(2),
      insert: fc.string({
        unit: fc.constantFrom(...'{}[]:,"\\/u0-+.eE1tn \u0000\n\ufeff\u00a0'),
        maxLength: 2,
      }),
    });
    const seen = { parsed: 0, malformed: 0 };
    fc.assert(
      fc.property(jsonText, splice, ({ text }, { at, remove, insert }) => {
        const from = at % (text.length + 1);
        const broken = text.slice(0, from) + insert + text.slice(from + remove);
        const expected = outcome(() => JSON.parse(broken));
        seen[expected]++;
        expect(outcome(() => any.leaves(broken))).toBe(expected);
        expect(outcome(() => json(['.a']).leaves(broken))).toBe(expected);
        expect(outcome(() => any.read(broken))).toBe(expected);
        if (expected === 'parsed') expect(said(any.read(broken))).toEqual(said(any.leaves(broken)));
      }),
      { numRuns: 5000 },
    );
    expect(Math.min(seen.parsed, seen.malformed)).toBeGreaterThan(500);
  });

  test('is refused with its offset, but not with its content', () => {
    const error = (() => {
      try {
        return any.leaves('["topsecret" x]');
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toMatchObject({ name: 'MalformedDocument', offset: 13 });
    expect(String(error)).not.toContain('topsecret');
  });
});

test('nesting is read to a depth of 1000 and refused beyond it, by both parsers', () => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}"deep"${'}]'.repeat(depth / 2)}`;
  for (const road of [any.leaves, any.read]) {
    expect(said(road(nested(1000)))).toEqual([{ path: '[0].a'.repeat(500), text: 'deep' }]);
    expect(outcome(() => road(nested(1002)))).toBe('malformed');
    expect(outcome(() => road('['.repeat(1_000_000)))).toBe('malformed');
  }
});

test('the time to read a text grows with its length, and not with its square', () => {
  /** Processor time, which a busy machine hardly changes: the minimum of three passes. */
  const timeOf = (items: number): number => {
    const value = JSON.stringify(
      Array.from({ length: items }, (_, i) => ({ key: `value "${i}"`, more: [i, 'x'] })),
    );
    const passes = Array.from({ length: 3 }, () => {
      const before = process.cpuUsage();
      expect(any.leaves(value)).toHaveLength(2 * items);
      const { user, system } = process.cpuUsage(before);
      return user + system;
    });
    return Math.min(...passes);
  };
  // Ten times, if it is linear; a hundred times, if it is quadratic
  expect(timeOf(100_000)).toBeLessThan(40 * timeOf(10_000));
});
