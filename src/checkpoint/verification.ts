/** What a verification found in a range. */
export interface Verification {
  rows: number;
  values: number;
  /** Rows with the same digest as when they were rotated. */
  proven: number;
  /** Rows without a digest. All their values open under the new key. */
  new: number;
  /** Rows that open under the new key, with another content than at rotation. */
  changed: number;
  /** Rows with values under the old key. */
  late: number;
  /** Rows that were rotated and do not exist any more. */
  gone: number;
  /** Values that do not open, and are listed as exceptions. */
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
