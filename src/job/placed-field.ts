import type { Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { columnNames } from '../formats/described/key-steps.ts';
import { descriptionOf, type FieldFormat } from '../formats/registry.ts';
import type { Field } from './job.ts';
import type { FieldFile, Where } from './schema.ts';

/** A field with the positions of its columns in RowShape.columns. */
export function placed(
  { optional: _, when, set, with: beside, key, format, becomes, ...field }: FieldFile,
  columns: readonly string[],
): Field {
  const context = contextOf(format);
  return {
    ...field,
    format: fieldFormat(format, key, becomes),
    ...(becomes === 'primary' && { becomes }),
    ...(context.length > 0 && {
      context: context.map((name) => ({ name, index: columns.indexOf(name) })),
    }),
    ...(beside !== undefined && { beside: beside.map((column) => columns.indexOf(column)) }),
    ...(set !== undefined && { set: { ...set, index: columns.indexOf(set.column) } }),
    index: columns.indexOf(field.column),
    when: Object.entries(when ?? ({} as Where)).map(([column, values]) => ({
      index: columns.indexOf(column),
      values: typeof values === 'string' ? [values] : values,
    })),
  };
}

/** What a value is encrypted with must stay the same when the run writes the row. */
export function assertContext(table: Table, fields: readonly FieldFile[], written: readonly string[]): void {
  const name = fields.flatMap(({ format }) => contextOf(format)).find((each) => written.includes(each));
  if (name === undefined) return;
  throw new KeyturnError(
    'job-invalid',
    `${table.name}.${name} is a field, and a format needs it as it is to decrypt other values of the row`,
    { hint: 'correct the columns that the format names' },
  );
}

/** Columns of the row that the format depends on. */
export function contextOf(format: FieldFile['format']): readonly string[] {
  const description = descriptionOf(format);
  return description === undefined ? [] : columnNames(description);
}

export function fieldFormat(
  format: FieldFile['format'],
  key: string | undefined,
  becomes: FieldFile['becomes'],
): FieldFormat {
  const own = typeof becomes === 'object' ? { changed: { before: format, after: becomes.format } } : format;
  return key === undefined ? own : { under: { key, format: own } };
}
