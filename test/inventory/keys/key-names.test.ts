import { expect, test } from '@jest/globals';
import { keyNameWarnings } from '../../../src/inventory/keys/key-names.ts';
import type { Job } from '../../../src/job/job.ts';
import { table } from '../../job/catalog.ts';

function warned(prefix: string, columns: readonly string[] = []): readonly string[] {
  const format = { 'aes-gcm': { prefix } };
  const target = { shape: { table: 'tok' }, fields: [{ column: 'v', format }] };
  return keyNameWarnings([table('tok', ['v', ...columns])], { targets: [target] } as unknown as Job);
}

test.each(['enc:v2:3fa91c07:', '$ENC$6f1c2b1e-6b0f-4a52-9b7e-0d7b1b0f8f3a$', 'v3:key_1:', 'enc:k7:'])(
  'the prefix %s names a key',
  (prefix) => {
    expect(warned(prefix)[0]).toMatch(/^the prefix of tok\.v seems to name a key/);
  },
);

test.each(['', 'enc:', 'enc:v2:', 'aes-256-gcm:', 'AES256$', '$ENC$v10$', 'gcm.1.'])(
  'the prefix "%s" names none',
  (prefix) => {
    expect(warned(prefix)).toEqual([]);
  },
);

test('a column beside the value that names the key by its own name is told', () => {
  expect(warned('', ['encryption_key_label', 'name', 'key'])).toEqual([
    expect.stringContaining('tok.encryption_key_label seems to name the key of each row'),
  ]);
});
