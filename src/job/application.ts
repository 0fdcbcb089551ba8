import type { Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import type { JobFile } from './schema.ts';

/**
 * For a database without the tables that every version of the application has; the hint gives the most likely cause.
 */
export function wrongApplication(
  file: JobFile,
  catalog: readonly Table[],
  prefix: string,
  missing: readonly string[],
): KeyturnError {
  const noun = missing.length === 1 ? 'table' : 'tables';
  const names = missing.map((name) => prefix + name).join(', ');
  return new KeyturnError(
    'wrong-application',
    `this is not a database of ${file.title}: ${noun} ${names} not found`,
    {
      hint: hint(
        file,
        catalog.map(({ name }) => name),
        prefix,
        missing,
      ),
    },
  );
}

function hint(file: JobFile, names: readonly string[], prefix: string, missing: readonly string[]): string {
  const schema = 'on PostgreSQL, the tables may be in another schema: add ?schema=NAME to the database URL';
  if (names.length === 0) return `the database has no tables; ${schema}`;
  const found = file.prefixable ? prefixesOf(missing, names) : [];
  const other = found.filter((candidate) => candidate !== prefix);
  if (other.includes('')) return 'the tables have no prefix: omit --table-prefix';
  if (other.length > 0)
    return `the tables have a prefix: add ${other.map((found) => `--table-prefix ${found}`).join(' or ')}`;
  return `check --database and --job; ${schema}`;
}

/** Prefixes with which every missing table exists. */
function prefixesOf(missing: readonly string[], names: readonly string[]): string[] {
  const [first = '', ...rest] = missing;
  return names
    .filter((name) => name.endsWith(first))
    .map((name) => name.slice(0, name.length - first.length))
    .filter((prefix) => rest.every((table) => names.includes(prefix + table)))
    .sort();
}

export function noColumn(table: string, column: string): KeyturnError {
  return new KeyturnError('wrong-application', `table ${table} has no column ${column}`, {
    hint: 'the job does not support this version of the application; if versions differ, use optional: true in the job',
    facts: { table, column },
  });
}
