import type { Connection } from 'tedious';
import type { Column, Table } from '../database.ts';
import { ownTablesSql } from '../own-tables.ts';
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
  /** False: an index has ALLOW_ROW_LOCKS = OFF, and a statement that asks for row locks fails (error 651). */
  readonly rowLocks: boolean;
  readonly memoryOptimized: boolean;
  /** Enabled INSTEAD OF triggers for UPDATE. */
  readonly insteadOf: readonly string[];
  /** An enabled security policy that filters rows; whether it hides any from this login, only its function knows. */
  readonly policy: string | null;
  /** Columns whose values this login reads masked. */
  readonly masked: readonly string[];
}

interface TableRow {
  readonly table: string;
  readonly rowLocks: boolean;
  readonly memoryOptimized: boolean;
  readonly policy: string | null;
}

interface TriggerRow {
  readonly table: string;
  readonly name: string;
  readonly instead: boolean;
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
  readonly masked: boolean;
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
    and t.name not in (${ownTablesSql})`;

// Columnstores (types 5, 6) have no row locks, and take no part in seeks. Without VIEW DEFINITION no policy is seen (server.ts).
const tablesSql = `
  select t.name as [table], t.is_memory_optimized as [memoryOptimized],
    cast(case when exists (select 1 from sys.indexes i where i.object_id = t.object_id and i.type in (1, 2)
      and i.is_disabled = 0 and i.allow_row_locks = 0) then 0 else 1 end as bit) as [rowLocks],
    (select min(p.name) from sys.security_predicates s
      join sys.security_policies p on p.object_id = s.object_id and p.is_enabled = 1
      where s.target_object_id = t.object_id and s.predicate_type = 0) as [policy]
  ${tables.replace('%', '')}
  order by t.name`;

// Before SQL Server 2022 there is only UNMASK on the database; an unknown permission gives null.
const unmask = (of: string): string => `coalesce(has_perms_by_name(${of}), 0)`;
const tableName = `quotename(schema_name(t.schema_id)) + '.' + quotename(t.name), 'OBJECT', 'UNMASK'`;
const unmasked = [
  unmask(`quotename(db_name()), 'DATABASE', 'UNMASK'`),
  unmask(tableName),
  unmask(`${tableName}, quotename(c.name), 'COLUMN'`),
].join(' + ');

const columnsSql = `
  select t.name as [table], c.name as name, coalesce(b.name, type_name(c.user_type_id)) as type,
    cast(c.max_length as int) as size, cast(c.precision as int) as precision, cast(c.scale as int) as scale,
    c.collation_name as collation, c.is_nullable as nullable,
    cast(case when c.is_computed = 1 or c.generated_always_type <> 0 or b.name = 'timestamp' then 1 else 0 end as bit) as generated,
    cast(case when c.encryption_type is null then 0 else 1 end as bit) as encrypted,
    cast(case when c.is_masked = 1 and ${unmasked} = 0 then 1 else 0 end as bit) as masked
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
  select t.name as [table], g.name as name, g.is_instead_of_trigger as instead
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
  const triggers = await objects<TriggerRow>(connection, triggersSql, schema);
  const properties = await objects<TableRow>(connection, tablesSql, schema);
  const byTable = grouped(columns, ({ table }) => table);
  return new Map(
    // Read last: what is missing here has been dropped meanwhile
    properties.map((each) => {
      const of = <T extends { readonly table: string }>(all: readonly T[]): T[] =>
        all.filter(({ table }) => table === each.table);
      const described = describe(schema, each, byTable.get(each.table) ?? [], of(indexes), of(triggers));
      return [each.table, described];
    }),
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
  { table: name, rowLocks, memoryOptimized, policy }: TableRow,
  columns: readonly ColumnRow[],
  indexed: readonly IndexRow[],
  triggers: readonly TriggerRow[],
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
    triggers: triggers.map((trigger) => trigger.name),
    rowLocks,
    memoryOptimized,
    insteadOf: triggers.filter(({ instead }) => instead).map((trigger) => trigger.name),
    policy,
    masked: columns.filter(({ masked }) => masked).map((column) => column.name),
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
