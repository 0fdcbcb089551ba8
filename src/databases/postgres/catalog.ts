import type { Client } from 'pg';
import type { Column, Table } from '../database.ts';
import { ownTablesSql } from '../own-tables.ts';

/** What SQL on an id column needs beside its name. */
export interface IdType {
  /** The column's own type, without length: `character(3)` would truncate a parameter, `bpchar` does not. */
  readonly cast: string;
  /**
   * Schema of the type's operators. The type of an extension (citext…) may be outside the search path: `a > b` would
   * then silently compare texts, while ORDER BY uses the type's own order.
   */
  readonly operators: string;
  /** Collation of the row id's index, if it is not that of the column: only under it are the ids unique and in index order. */
  readonly collation: string | null;
  readonly binary: boolean;
}

export interface PostgresTable extends Table {
  /** It holds its rows itself; those of a partitioned table are in its partitions. */
  readonly plain: boolean;
  readonly types: ReadonlyMap<string, IdType>;
}

interface ColumnRow extends Omit<Column, 'maxLength'> {
  readonly table: string;
  readonly kind: 'r' | 'p';
  readonly maxlength: number | null;
  readonly cast: string;
  readonly operators: string;
}

interface TriggerRow {
  readonly table: string;
  readonly name: string;
}

interface IndexRow {
  readonly table: string;
  readonly usable: boolean;
  readonly unique: boolean;
  readonly keys: readonly string[];
  readonly collations: readonly (string | null)[];
  readonly covers: readonly string[];
}

// Partitions are read through their parent. Children of old-style inheritance are tables of their own (see ONLY).
const tables = `
  from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = $1
  %
  where c.relkind in ('r', 'p') and not c.relispartition and c.relname not in (${ownTablesSql})`;

const columnsSql = `
  select c.relname as table, c.relkind as kind, a.attname as name, format_type(b.oid, null) as type,
    case when b.typcategory in ('S', 'C', 'R') or b.typname in ('json', 'jsonb', 'xml', 'hstore', 'tsvector', 'ltree')
      or exists (select from pg_type e where b.typcategory = 'A' and e.oid = b.typelem
        and (e.typcategory in ('S', 'C') or e.typname in ('json', 'jsonb', 'xml', 'hstore'))) then 'text'
      when b.typname = 'bytea' then 'binary' else 'other' end as holds,
    a.attgenerated <> '' as generated,
    case when b.oid in ('bpchar'::regtype, 'varchar'::regtype)
      then nullif(greatest(case t.typtype when 'd' then t.typtypmod else a.atttypmod end - 4, 0), 0) end as maxlength,
    not (a.attnotnull or (t.typtype = 'd' and t.typnotnull)) as nullable,
    format_type(a.atttypid, -1) as cast,
    coalesce((select o.nspname from pg_opclass oc join pg_am m on m.oid = oc.opcmethod and m.amname = 'btree'
      join pg_namespace o on o.oid = oc.opcnamespace where oc.opcdefault and oc.opcintype = b.oid), 'pg_catalog') as operators
  ${tables.replace(
    '%',
    `join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     join pg_type t on t.oid = a.atttypid
     join pg_type b on b.oid = case t.typtype when 'd' then t.typbasetype else t.oid end`,
  )}
  order by c.relname, a.attnum`;

// The columns of an index's expressions and predicate are only in pg_depend, where its plain columns may be missing.
const indexesSql = `
  select c.relname as table, k.names as keys, k.collations,
    i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null and k.required as usable,
    i.indisunique or i.indisexclusion as "unique",
    array(select v.attname::text from pg_attribute v where v.attrelid = c.oid and v.attnum > 0 and (v.attnum = any (i.indkey) or exists (
      select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
        and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = v.attnum))) as covers
  ${tables.replace(
    '%',
    `join pg_index i on i.indrelid = c.oid
     cross join lateral (
       select bool_and(a.attnotnull) as required, array_agg(a.attname::text order by place) as names,
         array_agg((select quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
           from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
           where co.oid = i.indcollation[place - 1] and co.oid <> a.attcollation) order by place) as collations
       from generate_series(1, i.indnkeyatts) as place
       left join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[place - 1] and a.attnum > 0) k`,
  )}
  order by c.relname, i.indisprimary desc, i.indexrelid`;

/** tgtype's bit 16 is UPDATE: https://www.postgresql.org/docs/current/catalog-pg-trigger.html and pg_trigger.h */
const triggersSql = `
  select c.relname as table, g.tgname as name
  ${tables.replace('%', `join pg_trigger g on g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & 16 > 0`)}
  order by c.relname, g.tgname`;

/** The base tables of the schema; needs no permission except to connect. */
export async function readCatalog(client: Client, schema: string): Promise<Map<string, PostgresTable>> {
  const columns = await client.query<ColumnRow>(columnsSql, [schema]);
  const indexes = await client.query<IndexRow>(indexesSql, [schema]);
  const triggers = await client.query<TriggerRow>(triggersSql, [schema]);
  const byTable = new Map<string, ColumnRow[]>();
  for (const row of columns.rows) byTable.set(row.table, [...(byTable.get(row.table) ?? []), row]);
  return new Map(
    [...byTable].map(([name, rows]) => [
      name,
      describe(
        name,
        rows,
        indexes.rows.filter((index) => index.table === name),
        triggers.rows.filter((trigger) => trigger.table === name),
      ),
    ]),
  );
}

function describe(
  name: string,
  rows: readonly ColumnRow[],
  indexes: readonly IndexRow[],
  triggers: readonly TriggerRow[],
): PostgresTable {
  const idIndex = indexes.find((index) => index.usable);
  const rowId = idIndex?.keys ?? [];
  const collation = (column: string): string | null => idIndex?.collations[rowId.indexOf(column)] ?? null;
  return {
    name,
    columns: rows.map((row) => ({
      name: row.name,
      type: row.type,
      holds: row.holds,
      maxLength: row.maxlength,
      nullable: row.nullable,
      generated: row.generated,
    })),
    rowId,
    indexed: [...new Set(indexes.flatMap((index) => index.covers))],
    unique: [...new Set(indexes.flatMap((index) => (index.unique ? index.covers : [])))],
    triggers: triggers.map((trigger) => trigger.name),
    plain: rows[0]?.kind === 'r',
    types: new Map(
      rows.map((row) => [
        row.name,
        {
          cast: row.cast,
          operators: row.operators,
          collation: collation(row.name),
          binary: row.holds === 'binary',
        },
      ]),
    ),
  };
}
