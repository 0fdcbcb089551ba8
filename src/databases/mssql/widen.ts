import { cannotWiden } from '../widen.ts';
import type { Ask } from './request.ts';
import { quote } from './statement.ts';

/** The whole declaration is repeated: what is left out would get the database's defaults. A DEFAULT is a constraint, and stays. */
export async function widenColumn(
  ask: Ask,
  schema: string,
  table: string,
  column: string,
  length: number,
): Promise<void> {
  const [found] = await ask(
    `select type_name(c.system_type_id), c.collation_name, c.is_nullable, c.user_type_id - c.system_type_id
      from sys.columns c join sys.tables t on t.object_id = c.object_id
      where t.schema_id = schema_id(@p0) and t.name = @p1 and c.name = @p2`,
    [schema, table, column],
  );
  const [type, collation, nullable, alias] = found ?? [];
  // Up to 8,000 bytes have a number; more is max. A type of fixed length would pad the existing values
  const most = { varchar: 8000, nvarchar: 4000, varbinary: 8000 }[String(type)];
  if (most === undefined || alias !== 0) throw cannotWiden(table, column);
  await ask(
    `alter table ${quote(schema)}.${quote(table)} alter column ${quote(column)} ${type}(${length > most ? 'max' : BigInt(length)})
      ${collation == null ? '' : `collate ${collation}`} ${nullable ? 'null' : 'not null'}`,
    [],
  );
}
