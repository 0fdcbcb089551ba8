import type { Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { noColumn } from './application.ts';
import type { FieldFile } from './schema.ts';

/** The column that names the key of a row can be set. */
export function assertLabel(
  table: Table,
  label: string,
  id: readonly string[],
  fields: readonly FieldFile[],
): void {
  const column = table.columns.find(({ name }) => name === label);
  if (column === undefined) throw noColumn(table.name, label);
  const longest = Math.max(...fields.map(({ set }) => (set?.column === label ? labelLength(set.to) : 0)));
  const why = column.generated
    ? 'the database computes it'
    : column.holds === 'binary'
      ? 'it is binary'
      : id.includes(label)
        ? 'it is part of the row id'
        : column.maxLength !== null && longest > column.maxLength
          ? `it has room for ${column.maxLength} characters only`
          : null;
  if (why === null) return;
  throw new KeyturnError('wrong-application', `${table.name}.${label} cannot be set: ${why}`, {
    hint: 'correct set in the job',
    facts: { table: table.name, column: label },
  });
}

/** A key id has 16 characters. */
function labelLength(text: string): number {
  return text.replaceAll('{keyId}', '0'.repeat(16)).length;
}
