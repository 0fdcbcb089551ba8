import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Leaf } from '../../src/documents/document.ts';
import { list } from '../../src/documents/list.ts';

describe('a list', () => {
  test('has a leaf for every item, including empty ones', () => {
    expect(list.leaves('ab,,c,')).toEqual([
      { path: '[0]', text: 'ab', start: 0, end: 2 },
      { path: '[1]', text: '', start: 3, end: 3 },
      { path: '[2]', text: 'c', start: 4, end: 5 },
      { path: '[3]', text: '', start: 6, end: 6 },
    ]);
  });

  test('that is empty has no leaves', () => {
    expect(list.leaves('')).toEqual([]);
    expect([...list.read('')]).toEqual([]);
  });

  test('is read alike by both parsers', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', ',', ' ', '"') }), (value) => {
        expect([...list.read(value)]).toEqual(list.leaves(value).map(({ path, text }) => ({ path, text })));
      }),
    );
  });

  test('is edited item by item', () => {
    const leaves = list.leaves('a,b,,a') as [Leaf, Leaf, Leaf, Leaf];
    const edits = [
      { leaf: leaves[3], text: 'long' },
      { leaf: leaves[0], text: '' },
      { leaf: leaves[2], text: 'z' },
    ];
    expect(list.edit('a,b,,a', edits)).toBe(',b,z,long');
    expect(list.edit('a,b,,a', [])).toBe('a,b,,a');
  });

  test('cannot contain an item with a comma', () => {
    const [leaf] = list.leaves('a') as [Leaf];
    expect(() => list.edit('a', [{ leaf, text: 'b,c' }])).toThrow(RangeError);
  });
});
