import { expect, test } from '@jest/globals';
import { safeMessage } from '../src/error.ts';

test.each([
  [
    'a driver that quotes a value',
    new Error('duplicate key (data)=(U2FsdGVkX1+abcdefghijklmnop/qrstu==)'),
    'duplicate key (data)=(…)',
  ],
  ['a short message', new Error('disk is full'), 'disk is full'],
  ['a text that is thrown', 'gone', 'gone'],
  ['nothing that is thrown', undefined, 'undefined'],
])('the message of %s is safe to print', (_what, error, message) => {
  expect(safeMessage(error)).toBe(message);
});
