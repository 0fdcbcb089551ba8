import { expect, test } from '@jest/globals';
import { safeMessage } from '../src/error.ts';

test.each([
  [
    'an error that quotes a value',
    new Error('duplicate key (data)=(U2FsdGVkX1+abcdefghijklmnop/qrstu==)'),
    'duplicate key (data)=(…)',
  ],
  ['a short error', new Error('disk is full'), 'disk is full'],
  ['a thrown string', 'gone', 'gone'],
  ['undefined', undefined, 'undefined'],
])('the printed message of %s has no long unbroken string', (_what, error, message) => {
  expect(safeMessage(error)).toBe(message);
});
