import type { Table } from '../databases/database.ts';
import type { FormatFile } from './format-schema.ts';
import { type Field, type Target, targetName } from './job.ts';
import type { JobFile } from './schema.ts';

type Excluded = JobFile['exclude'];

/**
 * For a job that finds ciphertext by shape: all text columns that no target declares. What binary columns contain is
 * known only after the scan. Tables without a row id cannot be rotated; if the scan finds ciphertext in one, the run is
 * refused.
 */
export function shapedTargets(
  file: JobFile,
  named: readonly Target[],
  exclude: Excluded,
  catalog: readonly Table[],
  phase: number,
): Target[] {
  const { everywhere } = file;
  if (everywhere === undefined) return [];
  const names = new Set(named.map(targetName));
  return undeclaredColumns(catalog, named)
    .filter((table) => table.rowId.length > 0)
    .flatMap((table) => {
      const columns = searchableColumns(table, exclude).filter(({ holds }) => holds === 'text');
      const declared = columns.map(({ name }) => searchedField(name, 'any', everywhere.text));
      return declared.length === 0 ? [] : [shapedTarget(table, phase, declared, names)];
    });
}

/** The catalog without the columns that targets declare. */
export function undeclaredColumns(catalog: readonly Table[], targets: readonly Target[]): Table[] {
  return catalog.map((table) => {
    const declared = new Set(
      targets
        .filter(({ shape, tree }) => tree === undefined && shape.table === table.name)
        .flatMap(({ fields, shape }) =>
          fields.flatMap(({ column, beside = [] }) => [column, ...beside.map((at) => shape.columns[at])]),
        ),
    );
    return { ...table, columns: table.columns.filter(({ name }) => !declared.has(name)) };
  });
}

/** Columns that may contain ciphertext: not generated, not part of the row id, not excluded. */
export function searchableColumns(table: Table, exclude: Excluded): Table['columns'] {
  return table.columns.filter(
    ({ name, holds, generated }) =>
      holds !== 'other' &&
      !generated &&
      !table.rowId.includes(name) &&
      !exclude.some((each) => each.table === table.name && each.column === name),
  );
}

type Declared = Omit<Field, 'index' | 'when'>;

/** A field for a column in which any string may be ciphertext; the rules decide. */
export function searchedField(column: string, document: 'any' | 'gzip', format: FormatFile): Declared {
  return {
    column,
    document,
    format,
    plaintext: 'plausible',
    foreign: 'leave',
    closed: 'look-alike',
    byShape: true,
  };
}

/** A field for a binary column that is known to contain nothing but ciphertext. */
export function ciphertextField(column: string, format: FormatFile): Declared {
  return { column, document: 'text', format, plaintext: 'any', foreign: 'exception', closed: 'exception' };
}

/** @param names of the other targets; the new name is added */
export function shapedTarget(
  table: Table,
  phase: number,
  declared: readonly Declared[],
  names: Set<string>,
): Target {
  const columns = declared.map(({ column }) => column);
  const name = freeName(table.name, names);
  names.add(name);
  return {
    ...(name !== table.name && { name }),
    shape: { table: table.name, id: table.rowId, columns, written: columns.length },
    phase,
    fields: declared.map((field, index) => ({
      ...field,
      index,
      when: [],
    })),
  };
}

function freeName(table: string, names: ReadonlySet<string>): string {
  let name = table;
  for (let n = 1; names.has(name); n++) name = `${table} (other columns${n === 1 ? '' : ` ${n}`})`;
  return name;
}
