import type { Column, Table } from '../database.ts';
import { ownTablesSql } from '../own-tables.ts';
import type { MysqlType } from './id.ts';

export interface MysqlTable extends Table {
  readonly types: ReadonlyMap<string, MysqlType>;
  /** Columns that an update sets to the current time unless it sets them itself. */
  readonly timestamped: readonly string[];
  /** Name of the index that gives the row id. */
  readonly rowIdIndex: string | null;
  /** Its storage engine, if that has no transactions (MyISAM, Aria, MEMORY). */
  readonly untransacted: string | null;
}

/** Runs a statement with `?` parameters; rows as arrays of texts. */
export type Ask = (sql: string, values?: readonly string[]) => Promise<(string | null)[][]>;

/** A system-versioned table counts as a table; its history is not part of its rows. */
const tablesSql = `select t.table_name, if(e.transactions = 'YES', null, t.engine)
  from information_schema.tables t left join information_schema.engines e on e.engine = t.engine
  where t.table_schema = database() and t.table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
    and t.table_name not in (${ownTablesSql}) order by t.table_name`;

const columnsSql = `select table_name, column_name, data_type, column_type, character_set_name, collation_name,
    character_maximum_length, is_nullable, coalesce(generation_expression, '') <> '', extra
  from information_schema.columns where table_schema = database() order by table_name, ordinal_position`;

/**
 * An index of the first bytes of a column does not order the rows, and a functional one has no column name. A unique index
 * of a system-versioned table ends with the column ROW END, which is the same for all rows except history.
 */
const indexesSql = `select s.table_name, s.index_name, s.column_name,
    s.non_unique = 0 and s.sub_part is null and s.nullable <> 'YES' and s.index_type = 'BTREE' and s.column_name is not null,
    s.non_unique = 0
  from information_schema.statistics s left join information_schema.columns c
    on c.table_schema = s.table_schema and c.table_name = s.table_name and c.column_name = s.column_name
  where s.table_schema = database() and coalesce(c.generation_expression, '') <> 'ROW END'
  order by s.table_name, s.index_name <> 'PRIMARY', s.index_name, s.seq_in_index`;

const triggersSql = `select event_object_table, trigger_name from information_schema.triggers
  where event_object_schema = database() and find_in_set('UPDATE', event_manipulation) > 0
  order by event_object_table, trigger_name`;

interface Index {
  readonly name: string;
  readonly columns: readonly string[];
  /** Its columns identify each row, and it has the rows in order. */
  readonly identifies: boolean;
  readonly unique: boolean;
}

interface Described {
  readonly column: Column;
  readonly type: MysqlType;
  readonly timestamped: boolean;
}

/** Base tables of the database on which the login has any permission: information_schema hides the others. */
export async function readCatalog(ask: Ask): Promise<Map<string, MysqlTable>> {
  const columns = byTable(await ask(columnsSql));
  const indexes = byTable(await ask(indexesSql));
  const triggers = byTable(await ask(triggersSql));
  return new Map(
    (await ask(tablesSql)).map((row) => {
      const name = String(row[0]);
      const described = (columns.get(name) ?? []).map(describe);
      const found = indexesOf(indexes.get(name) ?? []);
      const idIndex = found.find(({ identifies }) => identifies);
      const table: MysqlTable = {
        name,
        columns: described.map(({ column }) => column),
        rowId: idIndex?.columns ?? [],
        rowIdIndex: idIndex?.name ?? null,
        indexed: [...new Set(found.flatMap((index) => index.columns))],
        unique: [...new Set(found.flatMap((index) => (index.unique ? index.columns : [])))],
        triggers: (triggers.get(name) ?? []).map(([, trigger]) => String(trigger)),
        types: new Map(described.map(({ column, type }) => [column.name, type])),
        timestamped: described.flatMap(({ column, timestamped }) => (timestamped ? [column.name] : [])),
        untransacted: row[1] ?? null,
      };
      return [name, table];
    }),
  );
}

function byTable(rows: readonly (string | null)[][]): Map<string, (string | null)[][]> {
  const tables = new Map<string, (string | null)[][]>();
  for (const row of rows) {
    const held = tables.get(String(row[0]));
    if (held === undefined) tables.set(String(row[0]), [row]);
    else held.push(row);
  }
  return tables;
}

function describe(row: readonly (string | null)[]): Described {
  const [, name, data, full, charset, collation, length, nullable, generated, extra] = row;
  const type = String(data).toLowerCase();
  const holds = holdsOf(type);
  return {
    column: {
      name: String(name),
      type,
      holds,
      // longtext and longblob hold more than any packet
      maxLength: holds === 'other' || length == null || length === '4294967295' ? null : Number(length),
      nullable: nullable === 'YES',
      generated: generated === '1',
    },
    type: { data: type, full: String(full), charset: charset ?? null, collation: collation ?? null },
    timestamped: /on update current_timestamp/i.test(extra ?? ''),
  };
}

function holdsOf(data: string): Column['holds'] {
  if (/^(char|varchar|(tiny|medium|long)?text|json)$/.test(data)) return 'text';
  return /^(binary|varbinary|(tiny|medium|long)?blob)$/.test(data) ? 'binary' : 'other';
}

function indexesOf(rows: readonly (string | null)[][]): Index[] {
  const names = [...new Set(rows.map(([, name]) => name))];
  return names.map((name) => {
    const parts = rows.filter((row) => row[1] === name);
    return {
      name: String(name),
      columns: parts.flatMap(([, , column]) => (column == null ? [] : [column])),
      identifies: parts.every((part) => part[3] === '1'),
      unique: parts.some((part) => part[4] === '1'),
    };
  });
}
