import type { Table } from '../databases/database.ts';
import { type Field, type Target, targetName } from './job.ts';
import type { FormatFile, JobFile } from './schema.ts';

type Excluded = JobFile['exclude'];

/**
 * All text columns that no target names, for a job that goes by shape. What binary columns hold shows only when they are
 * read. A table without a row id cannot be walked: the scan looks into it, and refuses.
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

/** What no target declares: whole tables, and the other columns of those that are targets. */
export function undeclaredColumns(catalog: readonly Table[], targets: readonly Target[]): Table[] {
  return catalog.map((table) => {
    const declared = new Set(
      targets
        .filter(({ shape, tree }) => tree === undefined && shape.table === table.name)
        .flatMap(({ fields }) => fields.map(({ column }) => column)),
    );
    return { ...table, columns: table.columns.filter(({ name }) => !declared.has(name)) };
  });
}

/** Columns that may hold ciphertext: not computed, not of the row id, not excluded. */
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

/** A column where any string may be ciphertext: the rules judge each. */
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

/** A binary column that is known to hold ciphertext and nothing else. */
export function ciphertextField(column: string, format: FormatFile): Declared {
  return { column, document: 'text', format, plaintext: 'any', foreign: 'exception', closed: 'exception' };
}

/** @param names of the targets that there are; its own is added */
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
