/**
 * Counts of the rows and values of a chunk. They add up:
 * rows = table's rows; values = rotated + current + empty + lookAlikes + undecided + exceptions;
 * filtered = rows without any value.
 */
export interface Tally {
  rows: number;
  filtered: number;
  values: number;
  rotated: number;
  current: number;
  empty: number;
  lookAlikes: number;
  undecided: number;
  exceptions: number;
  /** Among those rotated: values that are encrypted twice. */
  nested: number;
}

export const tallyFields = [
  'rows',
  'filtered',
  'values',
  'rotated',
  'current',
  'empty',
  'lookAlikes',
  'undecided',
  'exceptions',
  'nested',
] as const satisfies readonly (keyof Tally)[];

export function emptyTally(): Tally {
  return {
    rows: 0,
    filtered: 0,
    values: 0,
    rotated: 0,
    current: 0,
    empty: 0,
    lookAlikes: 0,
    undecided: 0,
    exceptions: 0,
    nested: 0,
  };
}

export function addTally(sum: Tally, part: Tally): void {
  for (const name of tallyFields) sum[name] += part[name];
}
