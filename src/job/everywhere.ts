import type { Table } from '../databases/database.ts';
import type { Field, Target } from './job.ts';
import type { FormatFile, JobFile } from './schema.ts';

type Excluded = JobFile['exclude'];

/**
 * Every table that no phase names, with all its text columns, for a job that goes by shape. What binary columns hold
 * shows only when they are read. A table without a row id cannot be walked: the scan looks into it, and refuses.
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
  const taken = new Set(named.map(({ shape }) => shape.table));
  return catalog
    .filter((table) => !taken.has(table.name) && table.rowId.length > 0)
    .flatMap((table) => {
      const columns = searched(table, exclude).filter(({ holds }) => holds === 'text');
      const declared = columns.map(({ name }) => judged(name, 'any', everywhere.text));
      return declared.length === 0 ? [] : [shapedTarget(table, phase, declared)];
    });
}

/** Columns that may hold ciphertext: not computed, not of the row id, not excluded. */
export function searched(table: Table, exclude: Excluded): Table['columns'] {
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
export function judged(column: string, document: 'any' | 'gzip', format: FormatFile): Declared {
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
export function filled(column: string, format: FormatFile): Declared {
  return { column, document: 'text', format, plaintext: 'any', foreign: 'exception', closed: 'exception' };
}

export function shapedTarget(table: Table, phase: number, declared: readonly Declared[]): Target {
  const columns = declared.map(({ column }) => column);
  return {
    shape: { table: table.name, id: table.rowId, columns, written: columns.length },
    phase,
    fields: declared.map((field, index) => ({
      ...field,
      index,
      when: [],
    })),
  };
}
