import { textAt, textsOf } from '../texts.ts';
import type { Batch, Batches, Row, RowShape, Rows, Writes } from './database.ts';

/**
 * Reads and writes by column for an engine whose driver has a string for every value. It saves what comes after the driver:
 * an object for every value, and a Buffer for every step.
 * @param isBinary whether the values of a column are bytes
 */
export function rowBatches(
  rows: Rows & Writes,
  isBinary: (table: string, column: string) => Promise<boolean>,
): Batches {
  return {
    async readBatch(shape, range) {
      for (const column of shape.columns) if (await isBinary(shape.table, column)) return null;
      return batchOf(shape, await rows.readRange(shape, range));
    },

    writeBatch(trx, shape, { rows: count, id, columns }, written) {
      const changes = Array.from({ length: count }, (_, i) => ({
        id: id.map((texts) => textAt(texts, i) ?? ''),
        old: columns.map((texts) => textAt(texts, i)),
        new: shape.columns.map((_, place) => textAt(written[place] ?? columns[place] ?? none, i)),
      }));
      return rows.write(trx, shape, changes);
    },
  };
}

const none = textsOf([]);

function batchOf({ id, columns }: RowShape, rows: readonly Row[]): Batch {
  return {
    rows: rows.length,
    id: id.map((_, place) => textsOf(rows.map((row) => row.id[place] ?? null))),
    columns: columns.map((_, place) => textsOf(rows.map(({ values }) => values[place] ?? null))),
  };
}
