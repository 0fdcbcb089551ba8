import { expect, test } from '@jest/globals';
import { formatNamed, formatNames } from '../../src/formats/registry.ts';

test('every known name has its format', () => {
  expect(formatNames).toEqual(['n8n', 'n8n-wrapped']);
  expect(formatNames.map((name) => formatNamed(name).name)).toEqual(formatNames);
});

test.each(['N8N', '', 'constructor', '__proto__'])(
  'the unknown name "%s" is refused with the known ones',
  (name) => {
    expect(() => formatNamed(name)).toThrow(
      expect.objectContaining({ code: 'job-invalid', exitCode: 2, hint: 'known formats: n8n, n8n-wrapped' }),
    );
  },
);
