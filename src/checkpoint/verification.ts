/** What the verifier found in a range. */
export interface Verification {
  rows: number;
  values: number;
  /** Rows whose digest equals the one taken when they were rotated. */
  proven: number;
  /** Rows that no digest is known of, all values open under the new key. */
  new: number;
  /** Rows that open under the new key with another content than at rotation. */
  changed: number;
  /** Rows with values under the old key. */
  late: number;
  /** Rows that were rotated and no longer exist. */
  gone: number;
  /** Values that do not open, known and listed. */
  exceptions: number;
}

export const verificationFields = [
  'rows',
  'values',
  'proven',
  'new',
  'changed',
  'late',
  'gone',
  'exceptions',
] as const satisfies readonly (keyof Verification)[];
