import type { Change, RowShape } from '../databases/database.ts';

/**
 * The same changes, limited to columns that change in at least one row: other columns are not set, so that their
 * triggers do not fire and their indexes are not updated. All columns are still compared (invariant 3).
 */
export function changedColumnsOnly(
  shape: RowShape,
  changes: readonly Change[],
): { readonly shape: RowShape; readonly changes: readonly Change[] } {
  const places = shape.columns.map((_, place) => place);
  const touched = places.filter(
    (place) => place < shape.written && changes.some((change) => change.old[place] !== change.new[place]),
  );
  if (touched.length === shape.written) return { shape, changes };
  const order = [...touched, ...places.filter((place) => !touched.includes(place))];
  const ordered = <T>(all: readonly T[]): T[] => order.map((place) => all[place] as T);
  return {
    shape: { ...shape, columns: ordered(shape.columns), written: touched.length },
    changes: changes.map((change) => ({ id: change.id, old: ordered(change.old), new: ordered(change.new) })),
  };
}
