import type { Row, RowShape } from './database.ts';

/** A row as a driver returns it; bytes are a buffer. */
export type DriverRow = (string | Buffer | null)[];

export function where(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
}

export function wholeNumber(limit: number, least = 1): string {
  return BigInt(Math.max(least, Math.floor(limit))).toString();
}

export function written(shape: RowShape): readonly string[] {
  return shape.columns.slice(0, shape.written);
}

export function toRows(shape: RowShape, rows: readonly DriverRow[]): Row[] {
  return rows.map((row) => toRow(shape, row));
}

export function toRow(shape: RowShape, row: DriverRow): Row {
  const width = shape.id.length;
  return {
    id: row.slice(0, width) as string[],
    values: row.slice(width, width + shape.columns.length).map(toText),
  };
}

/** One character per byte. */
function toText(stored: string | Buffer | null): string | null {
  return typeof stored === 'object' && stored !== null ? stored.toString('latin1') : stored;
}
