import type { Table } from '../databases/database.ts';
import { KeyturnError } from '../error.ts';
import { noColumn, wrongApplication } from './application.ts';
import { shapedTargets } from './everywhere.ts';
import { filesTarget, filesTargetName } from './files.ts';
import type { Job, Target } from './job.ts';
import { assertLabel } from './label.ts';
import type { LoadedJob } from './load.ts';
import { assertContext, contextOf, fieldFormat, placed } from './placed-field.ts';
import type { FieldFile, JobFile, TargetFile } from './schema.ts';

export interface ResolveOptions {
  /** The prefix of all table names in this installation; default: none. */
  readonly tablePrefix?: string;
  /** Whether the files beside the database are rotated, if the job has any; default: no. */
  readonly files?: boolean;
}

interface Schema {
  readonly tables: ReadonlyMap<string, Table>;
  readonly prefix: string;
}

/**
 * Resolves a job against one database. Reads nothing but the catalog.
 *
 * @throws KeyturnError `wrong-application` if a table or column is missing that every version of the application has,
 * `no-row-id` if a table has no usable key, `bad-option` for a prefix if the job does not allow one, and for an exclusion
 * of what the run cannot do without.
 */
export function resolveJob(loaded: LoadedJob, catalog: readonly Table[], options: ResolveOptions = {}): Job {
  const { file } = loaded;
  const prefix = options.tablePrefix ?? '';
  const schema = schemaOf(file, catalog, prefix);
  const filesTargets = options.files === true && file.files !== undefined ? [filesTarget(file.files)] : [];
  const exclude = present(file.exclude, schema);
  const canary = present(file.canary, schema).filter(({ table, column, with: others = [], where, format }) =>
    hasColumns(schema, table, [column, ...others, ...Object.keys(where ?? {}), ...contextOf(format)]),
  );
  assertDispensable(file, schema, exclude, canary);
  const { targets, absent } = resolveTargets(file, schema, filesTargets.length, exclude);
  return {
    name: file.job,
    title: file.title,
    hash: loaded.hash,
    key: file.key,
    ...(file.keys !== undefined && { keys: file.keys }),
    phases: [
      ...(filesTargets.length === 0 ? [] : ['files']),
      ...file.phases.map(({ name }) => name),
      ...(file.everywhere === undefined ? [] : ['everywhere']),
    ],
    targets: [
      ...filesTargets,
      ...targets,
      ...shapedTargets(file, targets, exclude, catalog, filesTargets.length + file.phases.length),
    ],
    ...(file.files?.optional === false && filesTargets.length === 0 && { leftOut: filesTargetName }),
    absent,
    sourceKeys: present(file.sourceKeys, schema).map((source) => {
      needColumns(schema, source.table, [source.column, ...Object.keys(source.where)]);
      return source;
    }),
    ...(file.dataKeys !== undefined &&
      schema.tables.has(prefix + file.dataKeys.table) && { dataKeys: prefix + file.dataKeys.table }),
    canary: canary
      .filter(({ table, column }) => !isExcluded(exclude, table, column))
      .map(({ key, format, ...rest }) => ({
        ...rest,
        format: fieldFormat(format, key, becomesOf(file, prefix, rest)),
      })),
    ...(file.everywhere !== undefined && {
      everywhere: { ...file.everywhere, binary: file.everywhere.binary, decisions: [], certain: [] },
    }),
    exclude,
    derived: file.derived.map(({ secret, setting, unless }) => ({
      secret,
      setting,
      ...(schema.tables.has(prefix + unless.table) && {
        unless: { ...unless, table: prefix + unless.table },
      }),
    })),
    uncovered: present(file.uncovered, schema).filter(
      ({ table, where, files }) =>
        hasColumns(schema, table, Object.keys(where)) && !(files && filesTargets.length > 0),
    ),
    afterwards: file.afterwards,
    afterRollback: file.afterRollback,
  };
}

/** The tables of the database, if they are those of the application. */
function schemaOf(file: JobFile, catalog: readonly Table[], prefix: string): Schema {
  if (prefix !== '' && !file.prefixable) {
    throw new KeyturnError('bad-option', `${file.title} tables have no prefix`, {
      hint: 'omit --table-prefix',
    });
  }
  const tables = new Map(catalog.map((table) => [table.name, table]));
  const missing = requiredTables(file).filter((name) => !tables.has(prefix + name));
  if (missing.length > 0) throw wrongApplication(file, catalog, prefix, missing);
  return { tables, prefix };
}

/** Tables that every version of the application has: those in `requires`, and every target that is not optional. */
function requiredTables(file: JobFile): string[] {
  const targets = file.phases.flatMap((phase) => phase.targets.filter(({ optional }) => !optional));
  return unique([...file.requires, ...targets.map(({ table }) => table)]);
}

/** @param before number of phases before those of the file */
function resolveTargets(
  file: JobFile,
  schema: Schema,
  before: number,
  exclude: JobFile['exclude'],
): { targets: Target[]; absent: string[] } {
  const targets: Target[] = [];
  const absent: string[] = [];
  file.phases.forEach((phase, number) => {
    for (const declared of phase.targets) {
      const table = schema.tables.get(schema.prefix + declared.table);
      const present =
        table === undefined ? [] : declared.fields.flatMap((each) => expand(each, declared, table));
      const fields = present.filter(({ column }) => !isExcluded(exclude, table?.name, column));
      if (table === undefined || present.length === 0) absent.push(schema.prefix + declared.table);
      else if (fields.length > 0) targets.push(resolveTarget(declared, table, fields, before + number));
    }
  });
  return { targets, absent };
}

function resolveTarget(
  declared: TargetFile,
  table: Table,
  found: readonly FieldFile[],
  phase: number,
): Target {
  const id = rowId(declared, table);
  const beside = unique(found.flatMap((field) => field.with ?? []));
  const clash = found.find(({ column, with: others = [] }) =>
    [column, ...others].some((name) => id.includes(name)),
  );
  if (clash !== undefined) {
    throw new KeyturnError(
      'no-row-id',
      `${table.name}.${clash.column} is both a field and part of the row id`,
      {
        hint: 'a row id must not change; use other id columns for this table in the job',
      },
    );
  }
  const labels = unique(found.flatMap(({ set }) => (set === undefined ? [] : [set.column])));
  for (const label of labels) assertLabel(table, label, id, found);
  const written = unique([...found.map(({ column }) => column), ...beside, ...labels]);
  const read = found.flatMap(({ when, format }) => [...Object.keys(when ?? {}), ...contextOf(format)]);
  const columns = unique([...written, ...read]);
  assertContext(table, found, written);
  return {
    shape: { table: table.name, id, columns, written: written.length },
    phase,
    fields: found.map((field) => placed(field, columns)),
  };
}

function isExcluded(exclude: JobFile['exclude'], table: string | undefined, column: string): boolean {
  return exclude.some((each) => each.table === table && each.column === column);
}

/**
 * Columns that contain keys, and the only values that tell the right key, cannot be left behind under the old key: with
 * the new key alone, nothing could be read or checked any more.
 */
function assertDispensable(
  file: JobFile,
  schema: Schema,
  exclude: JobFile['exclude'],
  canary: JobFile['canary'],
): void {
  const keys = [
    ...present(file.sourceKeys, schema),
    ...file.phases.flatMap(({ targets }) =>
      targets.flatMap(({ table, fields }) =>
        fields.flatMap(({ column, becomes }) =>
          becomes === 'primary' ? [{ table: schema.prefix + table, column }] : [],
        ),
      ),
    ),
  ];
  const key = keys.find(({ table, column }) => isExcluded(exclude, table, column));
  if (key !== undefined) throw indispensable(key, 'contains keys');
  const left = canary.some(({ table, column }) => !isExcluded(exclude, table, column));
  const [only] = canary;
  if (!left && only !== undefined) throw indispensable(only, 'shows whether a key is the right one (canary)');
}

function indispensable(
  { table, column }: { readonly table: string; readonly column: string },
  why: string,
): KeyturnError {
  return new KeyturnError('bad-option', `${table}.${column} cannot be excluded: it ${why}`, {
    hint: 'remove --exclude for this column',
    facts: { table, column },
  });
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)];
}

/** One field per column that the name matches; none if the field is optional and its column is absent. */
function expand(field: FieldFile, declared: TargetFile, table: Table): FieldFile[] {
  const names = field.column.endsWith('*')
    ? matching(field.column.slice(0, -1), declared, table)
    : [field.column];
  const needed = [
    ...names,
    ...(field.with ?? []),
    ...Object.keys(field.when ?? {}),
    ...contextOf(field.format),
  ];
  const lacking = needed.find((name) => !table.columns.some((column) => column.name === name));
  if (names.length > 0 && lacking === undefined) return names.map((column) => ({ ...field, column }));
  if (field.optional) return [];
  throw noColumn(table.name, lacking ?? field.column);
}

/** Text columns whose names begin with this and that no other field of the table names. */
function matching(beginning: string, declared: TargetFile, table: Table): string[] {
  const named = new Set(declared.fields.map(({ column }) => column));
  return table.columns
    .filter(({ name, holds }) => holds === 'text' && name.startsWith(beginning) && !named.has(name))
    .map(({ name }) => name);
}

function rowId(declared: TargetFile, table: Table): readonly string[] {
  const wanted = declared.id;
  if (table.rowId.length === 0) {
    throw new KeyturnError(
      'no-row-id',
      `table ${table.name} has no primary key and no unique index over NOT NULL columns`,
      {
        hint: 'keyturn needs a key to read a table in chunks; add a unique index over NOT NULL columns',
        facts: { table: table.name },
      },
    );
  }
  const isKey =
    wanted === undefined ||
    (wanted.length === table.rowId.length && wanted.every((name) => table.rowId.includes(name)));
  if (isKey) return table.rowId;
  throw new KeyturnError('no-row-id', `${wanted.join(', ')} is not the key of table ${table.name}`, {
    hint: `its key is ${table.rowId.join(', ')}; omit id in the job to use that`,
    facts: { table: table.name },
  });
}

/** What the values of a canary become: a field of the same column says it. */
function becomesOf(
  { phases }: JobFile,
  prefix: string,
  { table, column }: { readonly table: string; readonly column: string },
): FieldFile['becomes'] {
  return phases
    .flatMap(({ targets }) => targets.filter((target) => prefix + target.table === table))
    .flatMap(({ fields }) => fields.filter((field) => field.column === column))
    .find(({ becomes }) => typeof becomes === 'object')?.becomes;
}

/** Those whose table exists, with its real name. */
function present<T extends { readonly table: string }>(parts: readonly T[], { tables, prefix }: Schema): T[] {
  return parts
    .filter(({ table }) => tables.has(prefix + table))
    .map((part) => ({ ...part, table: prefix + part.table }));
}

function hasColumns({ tables }: Schema, table: string, names: readonly string[]): boolean {
  const columns = new Set(tables.get(table)?.columns.map(({ name }) => name));
  return names.every((name) => columns.has(name));
}

function needColumns(schema: Schema, table: string, names: readonly string[]): void {
  const lacking = names.find((name) => !hasColumns(schema, table, [name]));
  if (lacking !== undefined) throw noColumn(table, lacking);
}
