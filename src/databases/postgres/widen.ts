import { cannotWiden } from '../widen.ts';
import type { Ask } from './server.ts';
import { quote } from './statement.ts';

/** The type is declared again as a whole: without its collation it would get the default one of the type. */
export async function widenColumn(
  ask: Ask,
  schema: string,
  table: string,
  column: string,
  length: number,
): Promise<void> {
  const [found] = await ask(
    `select t.typname, t.typtype, (select quote_ident(n.nspname) || '.' || quote_ident(co.collname) from pg_collation co
        join pg_namespace n on n.oid = co.collnamespace where co.oid = a.attcollation and co.oid <> t.typcollation)
      from pg_attribute a join pg_type t on t.oid = a.atttypid
      where a.attrelid = (quote_ident($1) || '.' || quote_ident($2))::regclass and a.attname = $3`,
    [schema, table, column],
  );
  const type = { varchar: 'varchar', bpchar: 'char' }[found?.[0] ?? ''];
  if (type === undefined || found?.[1] !== 'b') throw cannotWiden(table, column);
  const collation = found?.[2] == null ? '' : ` collate ${found[2]}`;
  await ask(
    `alter table ${quote(schema)}.${quote(table)} alter column ${quote(column)} type ${type}(${BigInt(length)})${collation}`,
    [],
  );
}
