import type { RowId, RowShape } from '../database.ts';
import { where, wholeNumber } from '../statement.ts';
import type { PostgresTable } from './catalog.ts';
import { idColumn, isWholeNumber, predicates, source, value } from './statement.ts';

export interface Limit {
  readonly rows: number;
  readonly bytes: number;
}

/** Statements that find the last row of the chunk that follows `after`. Their parameters are its id columns. */
export interface BoundSql {
  /** The id of the last of `limit.rows` rows, and the bytes of all of them. No row, or a row of NULLs: no row is left. */
  readonly byRows: string;
  /** The id of the last row that `limit.bytes` allow too. Costs more: two window functions over all rows. */
  readonly byBytes: string;
}

export function boundSql(table: PostgresTable, shape: RowShape, after: RowId | null, limit: Limit): BoundSql {
  const id = shape.id.map((column) => idColumn(table, column));
  const keys = id.map((_, place) => `k${place}`);
  const sizes = shape.columns.map((column) => `coalesce(octet_length(${value(table, column)}), 0)`);
  // The innermost query limits the rows, so that the others see only those, however large the table is
  const rows = `select ${id.map((column, place) => `${column} as k${place}`)}, (${sizes.join(' + ') || '0'})::bigint as size
    from ${source(table)} ${where(predicates(table, shape, { after, upTo: null }))}
    order by ${id} limit ${wholeNumber(limit.rows)}`;
  const texts = keys.map((key) => `${key}::text`);
  const [only = ''] = shape.id;
  return {
    byRows:
      shape.id.length === 1 && isWholeNumber(table, only)
        ? // A third of the time of the other form, which needs no max() for the type
          `select max(k0)::text, sum(size)::text from (${rows}) chunk`
        : `with chunk as materialized (${rows})
           select ${texts}, (select sum(size) from chunk)::text from chunk
           order by ${keys.map((key) => `chunk.${key} desc`)} limit 1`,
    byBytes: `select ${texts} from (
      select ${keys}, row_number() over w as n, sum(size) over w as bytes from (${rows}) chunk
      window w as (order by ${keys} rows unbounded preceding)) bounded
      where n = 1 or bytes <= ${wholeNumber(limit.bytes)} order by n desc limit 1`,
  };
}
