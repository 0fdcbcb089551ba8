import { describe, expect, test } from '@jest/globals';
import {
  type Affinity,
  affinityOf,
  idText,
  idValue,
  type SqliteValue,
} from '../../../src/databases/sqlite/id.ts';

const values: readonly SqliteValue[] = [
  0n,
  -1n,
  9007199254740993n,
  9223372036854775807n,
  -9223372036854775808n,
  1.5,
  -2.2250738585072014e-308,
  1e300,
  9.3e18,
  Number.POSITIVE_INFINITY,
  '',
  'abc',
  '1',
  '1.50',
  '-1e5',
  'i:1',
  't:x',
  'x:31',
  'two\nlines',
  Buffer.from([]),
  Buffer.from('1'),
  Buffer.from([0xff, 0]),
];

describe.each<Affinity>(['text', 'numeric', 'none'])('with affinity %s', (affinity) => {
  test('every value is restored', () => {
    expect(values.map((value) => idValue(idText(value, affinity), affinity))).toEqual(values);
  });

  test('no two values have the same text', () => {
    expect(new Set(values.map((value) => idText(value, affinity))).size).toBe(values.length);
  });
});

test('usual row ids look as SQLite writes them', () => {
  expect([idText(42n, 'numeric'), idText('a-b', 'text'), idText('42', 'text')]).toEqual(['42', 'a-b', '42']);
});

test('NULL is not a row id', () => {
  expect(() => idText(null, 'text')).toThrow(TypeError);
});

test.each([
  ['INTEGER', 'numeric'],
  ['varchar(36)', 'text'],
  ['CLOB', 'text'],
  ['BLOB', 'none'],
  ['', 'none'],
  ['CHARINT', 'numeric'],
  ['FLOATING POINT', 'numeric'],
  ['DOUBLE', 'numeric'],
  ['STRING', 'numeric'],
])('a column declared %s has affinity %s', (declared, affinity) => {
  expect(affinityOf(declared, false)).toBe(affinity);
});

test('ANY has no affinity only in a strict table', () => {
  expect([affinityOf('ANY', true), affinityOf('ANY', false)]).toEqual(['none', 'numeric']);
});
