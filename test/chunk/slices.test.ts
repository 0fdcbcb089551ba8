import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { slices } from '../../src/chunk/slices.ts';
import type { Row } from '../../src/databases/database.ts';

const row = fc.record({
  id: fc.tuple(fc.string()),
  values: fc.array(
    fc.option(
      fc.nat(100_000).map((length) => 'x'.repeat(length)),
      { nil: null },
    ),
    { maxLength: 3 },
  ),
});

const charactersOf = (rows: readonly Row[]): number =>
  rows.flatMap(({ values }) => values).reduce((sum, value) => sum + (value?.length ?? 0), 0);

test('every row is in one slice, in order, and a slice without its last row is below the limit', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 40 }), (rows) => {
      const cut = [...slices(rows)];
      expect(cut.flat()).toEqual(rows);
      for (const slice of cut) {
        expect(slice.length).toBeGreaterThan(0);
        expect(charactersOf(slice.slice(0, -1))).toBeLessThan(256 * 1024);
      }
    }),
    { numRuns: 200 },
  );
});

test('many small rows are divided too', () => {
  const rows = Array.from({ length: 2500 }, (_, i) => ({ id: [String(i)], values: ['x'] }));
  expect([...slices(rows)].map(({ length }) => length)).toEqual([1000, 1000, 500]);
});
