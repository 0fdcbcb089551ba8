import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { any } from '../../src/documents/any.ts';
import { namesOf, placePath, placeText, readPlace } from '../../src/job/place.ts';

const names = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'ab.[]*="\'#\\\n ') }),
);

/** As the documents write the paths of whatever keys there are. */
const paths = fc
  .array(fc.oneof(names, fc.nat(20), fc.constant(null)), { maxLength: 4 })
  .map((steps) =>
    steps.reduceRight<unknown>(
      (inner, step) =>
        typeof step === 'number'
          ? [...Array(step).fill(0), inner]
          : step === null
            ? [JSON.stringify([inner])]
            : { [step]: inner },
      'a value',
    ),
  )
  .map((document) => any.leaves(JSON.stringify(document))[0]?.path ?? '');

test('the text of a place is read as the same place, for any names of table, column and keys', () => {
  fc.assert(
    fc.property(names, names, paths, (table, column, path) => {
      const text = placeText(table, column, path);
      expect(readPlace(text)).toEqual({ table, column, path: placePath(path) });
      expect(readPlace(`${text}=rotate`)).toBeNull();
    }),
    { numRuns: 500 },
  );
});

test.each([
  ['VariableSet', 'JSON', '.Variables[3].Value', 'VariableSet.JSON.Variables[].Value'],
  ['My Table', 'Größe', '', 'My Table.Größe'],
  ['Own', 'JSON', '["a[1].b"].c#[0]', 'Own.JSON["a[1].b"].c#[]'],
  ['Own.JSON', 'Note', '', '"Own.JSON".Note'],
  ['Own', 'a\n=leave', '.b', 'Own."a\\n=leave".b'],
])('%j, %j, %j is written %s', (table, column, path, text) => {
  expect(placeText(table, column, path)).toBe(text);
});

test.each(['', 'Own', 'Own.', '.JSON', 'Own.JSON.', 'Own.JSON[x]', 'Own."JSON', 'Own."\\q"', 'Own.a=b'])(
  '%j is no place',
  (text) => {
    expect(readPlace(text)).toBeNull();
  },
);

test.each([
  ['Feed.JSON.Password', ['JSON', 'Password']],
  ['Feed.Password', ['Password']],
  ['T.JSON.Secrets[][]', ['JSON', 'Secrets']],
  ['T.JSON#.Inner#.a', ['JSON', 'Inner', 'a']],
  [
    'P.JSON.Steps[].Actions[].Properties["Octopus.Action.Script.Password"].SensitiveValue',
    [
      'JSON',
      'Steps',
      'Actions',
      'Properties',
      'Octopus.Action.Script.Password',
      'Password',
      'SensitiveValue',
    ],
  ],
  ['T.JSON["a\\"].Password"]', ['JSON', 'a"].Password', 'Password']],
  ['"a.Table".Password', ['Password']],
  ['not a place', ['']],
])('on the way to %s are these names', (place, names) => {
  expect([...namesOf(place)]).toEqual(names);
});
