import { KeyturnError } from '../../error.ts';
import type { MssqlTable } from './catalog.ts';
import { MssqlError } from './error.ts';

/** Of an error that stands for "permission denied": the server would answer, but not with what is stored. */
export const hidden = 'EHIDDEN';

/**
 * What PostgreSQL does with row_security = off: hidden rows and masked values are an error, not fewer rows and other
 * values. The owner of the database is not exempt from a security policy.
 *
 * @throws MssqlError that `isDenied`
 */
export function assertSeen({ name, policy, masked }: MssqlTable, columns: readonly string[]): void {
  if (policy !== null)
    throw new MssqlError(
      `the security policy ${policy} may hide rows of ${name} from this login`,
      hidden,
      undefined,
    );
  const column = columns.find((each) => masked.includes(each));
  if (column !== undefined)
    throw new MssqlError(`this login reads ${name}.${column} masked, without UNMASK`, hidden, undefined);
}

/**
 * A table that keyturn must not write, whatever was granted.
 *
 * @throws KeyturnError `table-unsupported`
 */
export function assertSupported({ name, memoryOptimized, insteadOf }: MssqlTable): void {
  const [trigger] = insteadOf;
  if (memoryOptimized)
    throw unsupported(
      name,
      'is memory-optimized, so its rows cannot be locked',
      'move the table to disk for the run',
    );
  if (trigger !== undefined)
    throw unsupported(
      name,
      `has the trigger ${trigger}, which runs INSTEAD OF an update`,
      `disable the trigger ${trigger} for the run`,
    );
}

/**
 * The number of rows that the UPDATE itself reports decides what was written.
 *
 * @throws KeyturnError `table-unsupported`; the transaction is rolled back
 */
export function assertWritten(name: string, locked: number, written: number): void {
  if (written === locked) return;
  throw unsupported(
    name,
    `was not written as asked: the server changed ${written} of ${locked} rows`,
    'look for triggers and rules of the table that replace an update',
  );
}

function unsupported(table: string, what: string, hint: string): KeyturnError {
  return new KeyturnError('table-unsupported', `table ${table} ${what}`, { hint, facts: { target: table } });
}
