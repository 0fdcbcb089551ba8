import type { Row } from '../databases/database.ts';

/**
 * Enough values for efficient batches, but few enough that the garbage collector frees everything in its first
 * generation.
 */
const most = { rows: 1000, characters: 256 * 1024 };

/** Divides rows, in order, into slices that are processed together. A row is never divided. */
export function* slices(rows: readonly Row[]): Generator<Row[]> {
  let slice: Row[] = [];
  let characters = 0;
  for (const row of rows) {
    slice.push(row);
    for (const value of row.values) characters += value?.length ?? 0;
    if (slice.length < most.rows && characters < most.characters) continue;
    yield slice;
    slice = [];
    characters = 0;
  }
  if (slice.length > 0) yield slice;
}
