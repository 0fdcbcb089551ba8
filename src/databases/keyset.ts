/** The SQL that compares one id column with its value by this operator. */
export type Comparison = (operator: '<' | '<=' | '=' | '>=' | '>') => string;

/**
 * `a >= x AND (a > x OR …)`, nested for every further column, and never `(a, b) > (x, y)` or `a > x OR (a = x AND b > y)`:
 * as measured (bench/README.md), this is the only form for which every engine uses an index range. MariaDB and SQLite
 * scan for one of the others, PostgreSQL for the last one, and SQL Server has no row-value comparison at all.
 */
export function isAfter(id: readonly Comparison[]): string {
  return nest(id, '>', '>');
}

/** The upper bound, in the same form; it includes the row itself. */
export function isUpTo(id: readonly Comparison[]): string {
  return nest(id, '<', '<=');
}

function nest(id: readonly Comparison[], strict: '<' | '>', last: '<=' | '>'): string {
  const [first, ...rest] = id;
  if (first === undefined) throw new RangeError('a keyset needs an id column');
  if (rest.length === 0) return first(last);
  return `(${first(`${strict}=`)} and (${first(strict)} or ${nest(rest, strict, last)}))`;
}
