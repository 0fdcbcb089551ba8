import type { Database as Connection } from 'better-sqlite3';
import { KeyturnError } from '../../error.ts';
import type { Row, RowId, RowShape } from '../database.ts';
import { where } from '../statement.ts';
import type { SqliteTable } from './catalog.ts';
import { read } from './connection.ts';
import { idColumn, quote, selectedBytes, values } from './statement.ts';
import { decoded, replacement } from './text.ts';

/**
 * The row with its texts byte for byte. The driver replaces bytes that are not valid UTF-8, so a row where it may have
 * done so is read again as bytes. That costs nothing for all other rows, which are almost all.
 *
 * @throws KeyturnError `no-row-id` if the id is not valid UTF-8
 */
export function exactRow(connection: Connection, table: SqliteTable, shape: RowShape, row: Row): Row {
  assertExactId(connection, table, shape, row.id);
  if (!row.values.some((value) => value?.includes(replacement))) return row;
  const [letter, ...bytes] = readAgain(connection, table, shape, row.id) ?? [];
  // The row was deleted meanwhile; or the database is in UTF-16, where this cannot find out
  if (!Buffer.isBuffer(letter) || letter.length > 1) return row;
  return {
    id: row.id,
    values: shape.columns.map((column, place) => {
      const value = bytes[place];
      if (!Buffer.isBuffer(value)) return null;
      return table.binary.has(column) ? value.toString('latin1') : decoded(value);
    }),
  };
}

/** By an id with replaced bytes no row would be found, and the order of rows would be wrong. */
export function assertExactId(connection: Connection, table: SqliteTable, shape: RowShape, id: RowId): void {
  if (!id.some((part) => part.includes(replacement))) return;
  if (readAgain(connection, table, { ...shape, columns: [] }, id) !== undefined) return;
  throw new KeyturnError(
    'no-row-id',
    `the table ${table.name} has a row whose id is not valid text: ${id.join(', ')}`,
    { hint: 'give the row an id that is valid UTF-8', facts: { table: table.name } },
  );
}

/** Undefined: there is no such row. */
function readAgain(
  connection: Connection,
  table: SqliteTable,
  shape: RowShape,
  id: RowId,
): unknown[] | undefined {
  const same = shape.id.map((column) => `${idColumn(table, column)} = ?`);
  const sql = `select ${selectedBytes(table, shape)} from ${quote(table.name)} as t ${where(same)}`;
  return read(connection, sql).get(...values(table, shape, id));
}
