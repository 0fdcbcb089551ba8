import type { Connection } from 'tedious';
import type { Column, Table } from '../database.ts';
import { ask } from './request.ts';

/** What SQL on a column needs beside its name. */
export interface MssqlType {
  /** The base type, e.g. `nvarchar`; for an alias type, the type that it stands for. */
  readonly name: string;
  /** With length, precision and scale, e.g. `decimal(10,2)`. */
  readonly declared: string;
  /** Of character types; null for others. */
  readonly collation: string | null;
  readonly holds: Column['holds'];
}

export interface MssqlTable extends Table {
  readonly schema: string;
  readonly types: ReadonlyMap<string, MssqlType>;
}

interface ColumnRow {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  /** In bytes; -1: max. */
  readonly size: number;
  readonly precision: number;
  readonly scale: number;
  readonly collation: string | null;
  readonly nullable: boolean;
  readonly generated: boolean;
  readonly encrypted: boolean;
}

interface IndexRow {
  readonly table: string;
  readonly index: number;
  readonly column: string;
  /** Its place in the key, from 1; 0: included, not part of the key. */
  readonly place: number;
  readonly usable: boolean;
  readonly unique: boolean;
}

// A history table is written only by the server; the rows of an external table are elsewhere.
const tables = `from sys.tables t
  %
  where t.schema_id = schema_id(@p0) and t.is_ms_shipped = 0 and t.is_external = 0 and t.temporal_type <> 1
    and t.name not like 'keyturn[_]%'`;

const columnsSql = `
  select t.name as [table], c.name as name, coalesce(b.name, type_name(c.user_type_id)) as type,
    cast(c.max_length as int) as size, cast(c.precision as int) as precision, cast(c.scale as int) as scale,
    c.collation_name as collation, c.is_nullable as nullable,
    cast(case when c.is_computed = 1 or c.generated_always_type <> 0 or b.name = 'timestamp' then 1 else 0 end as bit) as generated,
    cast(case when c.encryption_type is null then 0 else 1 end as bit) as encrypted
  ${tables.replace(
    '%',
    `join sys.columns c on c.object_id = t.object_id
     left join sys.types b on b.user_type_id = c.system_type_id`,
  )}
  order by t.name, c.column_id`;

// Types of index: 1 clustered, 2 nonclustered; the others (XML, spatial, columnstore) do not order rows.
const indexesSql = `
  select t.name as [table], cast(i.index_id as int) as [index], c.name as [column], cast(k.key_ordinal as int) as place,
    cast(case when i.is_unique = 1 and i.has_filter = 0 and i.is_disabled = 0 and i.is_hypothetical = 0 and i.type in (1, 2)
      then 1 else 0 end as bit) as usable,
    cast(case when i.is_unique = 1 and i.is_disabled = 0 and i.is_hypothetical = 0 then 1 else 0 end as bit) as [unique]
  ${tables.replace(
    '%',
    `join sys.indexes i on i.object_id = t.object_id
     join sys.index_columns k on k.object_id = i.object_id and k.index_id = i.index_id
     join sys.columns c on c.object_id = k.object_id and c.column_id = k.column_id`,
  )}
  order by t.name, i.is_primary_key desc, i.index_id, k.key_ordinal`;

const triggersSql = `
  select t.name as [table], g.name as name
  ${tables.replace(
    '%',
    `join sys.triggers g on g.parent_id = t.object_id and g.is_disabled = 0 and g.is_ms_shipped = 0
     join sys.trigger_events e on e.object_id = g.object_id and e.type_desc = 'UPDATE'`,
  )}
  order by t.name, g.name`;

/** The base tables of the schema on which the login has any permission; others are hidden from it. */
export async function readCatalog(connection: Connection, schema: string): Promise<Map<string, MssqlTable>> {
  const columns = await objects<ColumnRow>(connection, columnsSql, schema);
  const indexes = await objects<IndexRow>(connection, indexesSql, schema);
  const triggers = await objects<{ table: string; name: string }>(connection, triggersSql, schema);
  const byTable = grouped(columns, ({ table }) => table);
  return new Map(
    [...byTable].map(([name, rows]) => [
      name,
      describe(
        schema,
        name,
        rows,
        indexes.filter(({ table }) => table === name),
        triggers.filter(({ table }) => table === name).map((trigger) => trigger.name),
      ),
    ]),
  );
}

async function objects<T>(connection: Connection, sql: string, schema: string): Promise<T[]> {
  const { columns, rows } = await ask(connection, sql, [schema]);
  return rows.map(
    (row) => Object.fromEntries(row.map((value, place) => [columns[place]?.name ?? '', value])) as T,
  );
}

function grouped<T, K>(items: readonly T[], by: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) groups.set(by(item), [...(groups.get(by(item)) ?? []), item]);
  return groups;
}

function describe(
  schema: string,
  name: string,
  columns: readonly ColumnRow[],
  indexed: readonly IndexRow[],
  triggers: readonly string[],
): MssqlTable {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const keys = [...grouped(indexed, ({ index }) => index).values()].map((rows) =>
    rows.filter(({ place }) => place > 0),
  );
  const identifies = ({ usable, column }: IndexRow): boolean => {
    const of = byName.get(column);
    return usable && of !== undefined && !of.nullable && !of.generated && !withoutText.has(of.type);
  };
  const key = keys.find((rows) => rows.length > 0 && rows.every(identifies));
  return {
    schema,
    name,
    columns: columns.map((column) => ({
      name: column.name,
      type: column.type,
      holds: holds(column),
      maxLength: lengthOf(column),
      nullable: column.nullable,
      generated: column.generated,
    })),
    rowId: key?.map(({ column }) => column) ?? [],
    indexed: [...new Set(indexed.map(({ column }) => column))],
    unique: [...new Set(keys.flat().flatMap(({ unique, column }) => (unique ? [column] : [])))],
    triggers,
    types: new Map(
      columns.map((column) => [
        column.name,
        {
          name: column.type,
          declared: declare(column),
          collation: column.collation,
          holds: holds(column),
        },
      ]),
    ),
  };
}

/** Types whose text does not convert back to the same value. */
const withoutText = new Set(['sql_variant', 'hierarchyid', 'geometry', 'geography']);

const characters = new Set(['char', 'varchar', 'nchar', 'nvarchar', 'text', 'ntext', 'xml', 'json']);
const bytes = new Set(['binary', 'varbinary', 'image']);

/** Always Encrypted is decrypted by drivers that have its keys; here it is not text. */
function holds({ type, encrypted }: ColumnRow): Column['holds'] {
  if (encrypted) return 'other';
  if (characters.has(type)) return 'text';
  return bytes.has(type) ? 'binary' : 'other';
}

function lengthOf({ type, size }: ColumnRow): number | null {
  if (!/^n?(var)?char$|^(var)?binary$/.test(type) || size === -1) return null;
  return type.startsWith('n') ? size / 2 : size;
}

function declare(column: ColumnRow): string {
  const { type, size, precision, scale } = column;
  if (/^n?(var)?char$|^(var)?binary$/.test(type)) return `${type}(${size === -1 ? 'max' : lengthOf(column)})`;
  if (type === 'decimal' || type === 'numeric') return `${type}(${precision},${scale})`;
  if (type === 'datetime2' || type === 'datetimeoffset' || type === 'time') return `${type}(${scale})`;
  return type === 'float' ? `float(${precision})` : type;
}
