import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { derivation } from '../../src/keys/derived.ts';

/** n8n 2.41.1 seeded these rows from the instance key when it first met the table. */
const rows = {
  'n8n-instance-id': 'instance.id',
  'n8n-hmac': 'signing.hmac',
  'n8n-jwt': 'signing.jwt',
  'n8n-binary-data': 'signing.binary_data',
} as const;

describe.each(['legacy-sqlite', 'legacy-postgres', 'mixed-sqlite'])(
  'what n8n derived itself in %s',
  (name) => {
    const folder = new URL(`../fixtures/n8n/${name}/`, import.meta.url);
    const key = readFileSync(new URL('encryption.key', folder), 'utf8');
    const truth = Object.entries<string>(
      JSON.parse(readFileSync(new URL('extra.plain.json', folder), 'utf8')),
    );

    test.each(Object.entries(rows))('%s is the value of %s', (secret, type) => {
      const values = truth
        .filter(([row]) => row.startsWith(`deployment_key:${type}:`))
        .map(([, value]) => value);
      expect([derivation(secret)(key)]).toEqual(values);
    });
  },
);

test('an unknown secret is refused, with the known ones in the hint', () => {
  expect(() => derivation('constructor')).toThrow(
    expect.objectContaining({
      code: 'job-invalid',
      hint: 'known derived secrets: n8n-instance-id, n8n-hmac, n8n-jwt, n8n-binary-data',
    }),
  );
});
