import { KeyturnError } from '../error.ts';
import type { RotatedRow } from './rotate-rows.ts';

/**
 * A value is under the new key where none was expected. From now on, every key is tried on every value: otherwise a
 * value that seems to open under the current key by chance would be lost.
 */
export function assertOneKey(rows: readonly Pick<RotatedRow, 'exceptions'>[], target: string): void {
  if (!rows.some(({ exceptions }) => exceptions.some(({ reason }) => reason === 'under-new-key'))) return;
  throw new KeyturnError('mixed-keys', `some values of ${target} are already under the new key`, {
    hint: 'stop the application, then run keyturn resume, which tries both keys on every value',
    facts: { target },
  });
}
