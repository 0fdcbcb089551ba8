import type { Row } from '../databases/database.ts';
import type { Format, Place } from '../formats/format.ts';
import type { PreparedField } from './values/field-values.ts';

const none = (): null => null;

/** Where the values of a field of a row are, by their paths; null if the format does not depend on it. */
export function placesIn(
  { field, format }: PreparedField,
  table: string,
  row: Pick<Row, 'values'>,
): (path: string) => Place | null {
  if (format.needs === undefined) return none;
  const { column, context = [] } = field;
  const columns = Object.fromEntries(context.map(({ name, index }) => [name, row.values[index] ?? null]));
  return (path) => placeAt(table, column, path, columns);
}

export function placeAt(
  table: string,
  column: string,
  path: string,
  columns: Readonly<Record<string, string | null>>,
): Place {
  const member = /\.(?<name>[^.[\]]+)(\[\d+\])*$/.exec(path)?.groups?.name ?? column;
  return { table, column, member, columns };
}

/** For a batch of values of one format. */
export function placesOf(
  values: readonly { readonly place: Place | null }[],
  { needs }: Format,
): Place[] | undefined {
  return needs === undefined ? undefined : values.flatMap(({ place }) => (place === null ? [] : [place]));
}
