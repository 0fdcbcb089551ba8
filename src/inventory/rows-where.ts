import type { Row, RowShape, Rows, Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { Where } from '../job/schema.ts';
import { pagesOf } from './pages.ts';

/** Selects rows of a table by their values. */
interface Selection {
  readonly table: string;
  readonly column: string;
  /** Default: every row. */
  readonly where?: Where | undefined;
  /** Other columns to read. */
  readonly also?: readonly string[];
}

/**
 * Reads the rows of a table whose columns have the given values, in pages by row id. For the few rows with keys, or for
 * a sample. The first value of a yielded row is that of `column`.
 */
export async function* rowsWhere(
  database: Rows,
  catalog: readonly Table[],
  { table, column, where = {}, also = [] }: Selection,
): AsyncGenerator<{ row: Row; columns: readonly string[] }> {
  const found = catalog.find((t) => t.name === table);
  if (found === undefined) return;
  if (found.rowId.length === 0) {
    throw new KeyturnError('no-row-id', `table ${table} has no primary key and no unique index`);
  }
  const columns = [...new Set([column, ...Object.keys(where), ...also])];
  const shape: RowShape = { table, id: found.rowId, columns, written: 0 };
  for await (const rows of pagesOf(database, shape))
    for (const row of rows) if (matches(where, columns, row)) yield { row, columns };
}

function matches(where: Where, columns: readonly string[], row: Row): boolean {
  return Object.entries(where).every(([column, expected]) => {
    const held = row.values[columns.indexOf(column)];
    return Array.isArray(expected) ? expected.includes(held ?? '') : held === expected;
  });
}
