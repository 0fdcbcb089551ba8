import type { RowShape } from '../databases/database.ts';
import type { FieldFormat } from '../formats/registry.ts';
import type { FormatFile } from './format-schema.ts';
import type { CanaryFile, FieldFile, JobFile, SourceKeyFile } from './schema.ts';

/** A field of a target; `index` is the position of its column in RowShape.columns, also inside `when`. */
export interface Field
  extends Omit<FieldFile, 'when' | 'optional' | 'set' | 'with' | 'format' | 'key' | 'becomes'> {
  readonly becomes?: 'primary';
  readonly format: FieldFormat;
  readonly index: number;
  /** Positions of the columns with the other parts of its values. */
  readonly beside?: readonly number[];
  /** Columns that the format needs of the row. */
  readonly context?: readonly { readonly name: string; readonly index: number }[];
  readonly when: readonly { readonly index: number; readonly values: readonly string[] }[];
  /** The column that names the key of the row. */
  readonly set?: NonNullable<FieldFile['set']> & { readonly index: number };
  /** Comes from `everywhere`, not from a field of the job file: the rules decide what becomes of its values. */
  readonly byShape?: true;
}

/** A table of this database, with the columns that its fields need. */
export interface Target {
  /** Default: the name of the table. Differs for a second target of a table, with columns that were found later. */
  readonly name?: string;
  readonly shape: RowShape;
  readonly phase: number;
  readonly fields: readonly Field[];
  /** The target is not a table but a folder of files. A row is a file, and its row id is the path. */
  readonly tree?: { readonly folders: readonly string[]; readonly names?: readonly string[] };
  /** The inventory found nothing here: only the verifier reads it. */
  readonly onlyVerified?: true;
}

export function targetName({ name, shape }: Target): string {
  return name ?? shape.table;
}

/** An operator's decision on a place with undecided values (`--decide`). */
export interface Decision {
  readonly place: string;
  readonly as: 'rotate' | 'leave';
}

/** Whether values get another format: then the key may stay as it is. */
export function changesFormat({ targets }: Pick<Job, 'targets'>): boolean {
  return targets.some(({ fields }) => fields.some(({ format }) => isChange(format)));
}

function isChange(format: FieldFormat): boolean {
  return (
    typeof format === 'object' &&
    ('changed' in format || ('under' in format && isChange(format.under.format)))
  );
}

/** Values that show whether a key is the right one. */
export type Canary = Omit<CanaryFile, 'format' | 'key'> & { readonly format: FieldFormat };

/** Rules that decide what becomes of values that are found by shape. */
export interface Rules {
  readonly sensitive: NonNullable<JobFile['everywhere']>['sensitive'];
  readonly decisions: readonly Decision[];
  /** Places where the inventory found so many values, all of which open, that it cannot be chance. */
  readonly certain: readonly string[];
}

/**
 * A job resolved against one database: with the real table names, without absent tables, with known id columns.
 * Plain data: it is stored in the run's row, and a resumed run uses that copy even if the file has changed.
 */
export interface Job {
  readonly name: string;
  readonly title: string;
  /** Hex SHA-256 of the job file's bytes. */
  readonly hash: string;
  readonly key: JobFile['key'];
  /** Further keys, by name. */
  readonly keys?: JobFile['keys'];
  readonly phases: readonly string[];
  readonly targets: readonly Target[];
  /** The target of the job's files, if the user chose not to rotate them. */
  readonly leftOut?: string;
  /** Declared tables that this database does not have. */
  readonly absent: readonly string[];
  /** With the real table names, without absent tables. */
  readonly sourceKeys: readonly SourceKeyFile[];
  /** The table of the data keys. Absent: the job has none, or this database does not. */
  readonly dataKeys?: string;
  /** The run leaves all values under this one key (`Keyring.only`), and the master key as it is. Absent: it replaces that. */
  readonly only?: string;
  readonly canary: readonly Canary[];
  /** Undefined: the job declares all of its fields. */
  readonly everywhere?: Rules & { readonly text: FormatFile; readonly binary: FormatFile | undefined };
  readonly exclude: JobFile['exclude'];
  /** Without `unless` if its table does not exist: the secret is then always kept. */
  readonly derived: readonly {
    readonly secret: string;
    readonly setting: string;
    readonly unless?: JobFile['derived'][number]['unless'];
  }[];
  /** Without those whose table or column does not exist. */
  readonly uncovered?: JobFile['uncovered'];
  readonly afterwards: readonly string[];
  /** Absent in runs of an earlier version. */
  readonly afterRollback?: readonly string[];
}
