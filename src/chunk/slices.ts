import type { Row } from '../databases/database.ts';

/** Enough values for formats that work on batches, few enough that all that is made of them dies young. */
const most = { rows: 1000, characters: 256 * 1024 };

/** Rows in their order, so many at once as are worked on together. A row is never divided. */
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
