import type { Range, RowId, RowShape } from '../database.ts';
import { type Comparison, isAfter, isUpTo } from '../keyset.ts';
import { missingColumn } from '../known-tables.ts';
import { where, wholeNumber, written } from '../statement.ts';
import type { MssqlTable, MssqlType } from './catalog.ts';
import { type Staged, staging } from './request.ts';

/** Compares code units. It ignores trailing spaces, which DATALENGTH tells apart. */
export const collation = 'Latin1_General_100_BIN2';

export function quote(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}

export function source(table: MssqlTable): string {
  return `${quote(table.schema)}.${quote(table.name)} as t`;
}

export function typeOf(table: MssqlTable, column: string): MssqlType {
  const type = table.types.get(column);
  if (type !== undefined) return type;
  throw missingColumn(table.name, column);
}

export function isBinary(table: MssqlTable, column: string): boolean {
  return table.types.get(column)?.holds === 'binary';
}

/**
 * DriverRow that convert back to the same value, with the session's settings (session.ts):
 * https://learn.microsoft.com/en-us/sql/t-sql/functions/cast-and-convert-transact-sql#date-and-time-styles
 */
const styles: Readonly<Record<string, number>> = {
  datetime: 126,
  smalldatetime: 126,
  date: 121,
  time: 121,
  datetime2: 121,
  datetimeoffset: 121,
  float: 3,
  real: 3,
};

const isBytes = ({ name }: MssqlType): boolean => ['binary', 'varbinary', 'timestamp'].includes(name);

/** The text of an id column in the engine's own spelling; bytes as 0x… */
export function idText(table: MssqlTable, column: string, sql = `t.${quote(column)}`): string {
  const type = typeOf(table, column);
  if (isBytes(type)) return `convert(varchar(max), ${sql}, 1)`;
  // Converted directly, money has two decimals
  if (type.name.endsWith('money')) return `convert(nvarchar(max), cast(${sql} as decimal(19,4)))`;
  const style = styles[type.name];
  return `convert(nvarchar(max), ${sql}${style === undefined ? '' : `, ${style}`})`;
}

/** Every type but bytes as text. */
export function value(table: MssqlTable, column: string): string {
  if (isBinary(table, column)) return `cast(t.${quote(column)} as varbinary(max))`;
  return idText(table, column);
}

export function texts(table: MssqlTable, shape: RowShape): string {
  const selected = [
    ...shape.id.map((column) => idText(table, column)),
    ...shape.columns.map((column) => value(table, column)),
  ];
  return selected.join(', ') || 'null';
}

/** Length of a value in the unit of the column's own length: UTF-16 code units, or bytes. */
export function size(table: MssqlTable, column: string): string {
  const { name, holds } = typeOf(table, column);
  if (holds === 'binary' || ['char', 'varchar', 'text'].includes(name))
    return `datalength(t.${quote(column)})`;
  if (['nchar', 'nvarchar', 'ntext'].includes(name)) return `datalength(t.${quote(column)}) / 2`;
  return `datalength(${value(table, column)}) / 2`;
}

/**
 * The text turned into the column's own type, length and collation: compared as it comes, NVARCHAR, it would turn a seek
 * on a VARCHAR column into a scan.
 */
function converted(table: MssqlTable, column: string, text: string): string {
  const type = typeOf(table, column);
  if (isBytes(type)) return `convert(${type.declared}, convert(varchar(max), ${text}), 1)`;
  return `cast(${inCollation(type, text)} as ${type.declared})`;
}

/** Before the cast, which keeps the collation: a character outside the code page of another collation would become `?`. */
function inCollation({ collation }: MssqlType, text: string): string {
  return collation === null ? text : `${text} collate ${collation}`;
}

export function compare(table: MssqlTable, column: string, text: string): Comparison {
  return (operator) => `t.${quote(column)} ${operator} ${converted(table, column, text)}`;
}

export function predicates(table: MssqlTable, shape: RowShape, range: Range): string[] {
  const against = (first: number): Comparison[] =>
    shape.id.map((column, place) => compare(table, column, `@p${first + place}`));
  return [
    ...(range.after === null ? [] : [isAfter(against(0))]),
    ...(range.upTo === null ? [] : [isUpTo(against(range.after?.length ?? 0))]),
  ];
}

export function bounds(range: Range): string[] {
  return [...(range.after ?? []), ...(range.upTo ?? [])];
}

export function orderBy(shape: RowShape): string {
  return `order by ${shape.id.map((column) => `t.${quote(column)}`)}`;
}

export function boundStatement(
  table: MssqlTable,
  shape: RowShape,
  after: RowId | null,
  limit: { readonly rows: number; readonly bytes: number },
): string {
  const keys = shape.id.map((_, place) => `k${place}`);
  const sizes = shape.columns.map((column) => `coalesce(cast(${size(table, column)} as bigint), 0)`);
  // The innermost query limits the rows, so that the window functions see only those, however large the table is
  return `select top (1) ${shape.id.map((column, place) => idText(table, column, `k${place}`))} from (
    select ${keys}, row_number() over (order by ${keys}) as n,
      sum(size) over (order by ${keys} rows unbounded preceding) as bytes from (
      select top (${wholeNumber(limit.rows)}) ${shape.id.map((column, place) => `t.${quote(column)} as k${place}`)},
        ${sizes.join(' + ') || 'cast(0 as bigint)'} as size
      from ${source(table)} ${where(predicates(table, shape, { after, upTo: null }))} ${orderBy(shape)}) as chunk) as bounded
    where n = 1 or bytes <= ${wholeNumber(limit.bytes)} order by n desc`;
}

export function idsStaged(shape: RowShape): Staged[] {
  return shape.id.map((_, place) => ({ name: `i${place}`, binary: false }));
}

export function changesStaged(table: MssqlTable, shape: RowShape): Staged[] {
  const staged = (letter: string) => (column: string, place: number) => ({
    name: `${letter}${place}`,
    binary: isBinary(table, column),
  });
  return [...idsStaged(shape), ...shape.columns.map(staged('o')), ...written(shape).map(staged('n'))];
}

/** Looks up each staged row by a seek: a scan instead would lock rows that do not belong to the chunk. */
function seek(table: MssqlTable, shape: RowShape, hints: string): string {
  const same = shape.id.map((column, place) =>
    compare(table, column, `convert(nvarchar(4000), c.i${place})`)('='),
  );
  return `inner loop join ${source(table)} ${hints} on ${same.join(' and ')}`;
}

/** Locks on rows, unless an index has ALLOW_ROW_LOCKS = OFF: there the server would refuse the hint. */
function locks({ rowLocks }: MssqlTable, ...hints: string[]): string {
  const all = [...hints, ...(rowLocks ? ['rowlock'] : [])];
  return all.length === 0 ? '' : `with (${all.join(', ')})`;
}

/** UPDLOCK keeps other writers out until the transaction ends; others may still read. */
export function readStatement(table: MssqlTable, shape: RowShape, locking: boolean): string {
  return `select ${texts(table, shape)} from ${staging} as c
    ${seek(table, shape, locking ? locks(table, 'updlock') : '')} order by c.n`;
}

/**
 * Locks and compares, then writes what is unchanged: nobody can write in between. OUTPUT would do that in one statement,
 * but tables with triggers refuse it. Each row of the result has the number of rows that the UPDATE wrote.
 */
export function writeStatement(table: MssqlTable, shape: RowShape): string {
  const set = written(shape).map(
    (column, place) => `${quote(column)} = ${stored(table, column, `c.n${place}`)}`,
  );
  const unchanged = shape.columns.map((column, place) => {
    const now = `${value(table, column)}${isBinary(table, column) ? '' : ` collate ${collation}`}`;
    // To SQL Server 'a' equals 'a ', and 0x01 equals 0x0100
    return `(${now} = c.o${place} and datalength(${now}) = datalength(c.o${place}) or t.${quote(column)} is null and c.o${place} is null)`;
  });
  return `declare @done table (n int not null primary key);
    declare @written int;
    insert into @done select c.n from ${staging} as c ${seek(table, shape, locks(table, 'updlock'))} ${where(unchanged)};
    update t set ${set} from @done as d inner loop join ${staging} as c on c.n = d.n ${seek(table, shape, locks(table))};
    set @written = @@rowcount;
    select n, @written from @done`;
}

/** Without a length: a value that is too long for its column must fail, and a cast would truncate it. */
function stored(table: MssqlTable, column: string, staged: string): string {
  const type = typeOf(table, column);
  if (type.holds === 'other') return converted(table, column, staged);
  const text = inCollation(type, staged);
  return type.name === 'text' ? `cast(${text} as varchar(max))` : text;
}

/** @param first number of the first needle's parameter */
export function contains(table: MssqlTable, column: string, needles: number, first: number): string[] {
  return Array.from(
    { length: needles },
    (_, place) => `charindex(@p${first + place}, ${value(table, column)} collate ${collation}) > 0`,
  );
}
