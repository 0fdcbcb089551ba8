import type { Row, RowId, RowShape, Rows } from '../databases/database.ts';

/** Rows in memory at one time; documents can be megabytes. */
const page = { rows: 500, bytes: 8 * 1024 * 1024 };

/** Reads all rows of a table in pages. A table without a row id is read with one query. */
export async function readPages(
  database: Rows,
  shape: RowShape,
  each: (rows: readonly Row[]) => void,
): Promise<void> {
  if (shape.id.length === 0) return readUnkeyed(database, shape, each);
  for (let after: RowId | null = null; ; ) {
    const upTo: RowId | null = await database.boundAfter(shape, after, page);
    if (upTo === null) return;
    each(await database.readRange(shape, { after, upTo }));
    after = upTo;
  }
}

async function readUnkeyed(
  database: Rows,
  shape: RowShape,
  each: (rows: readonly Row[]) => void,
): Promise<void> {
  let rows: Row[] = [];
  let bytes = 0;
  await database.readAll(shape, (row) => {
    rows.push(row);
    bytes += row.values.reduce((sum, value) => sum + (value?.length ?? 0), 0);
    if (rows.length < page.rows && bytes < page.bytes) return;
    each(rows);
    rows = [];
    bytes = 0;
  });
  if (rows.length > 0) each(rows);
}
