import type { RowShape } from '../databases/database.ts';
import type { CanaryFile, FieldFile, FormatFile, JobFile, SourceKeyFile } from './schema.ts';

/** A field with its place in the rows of its target: `index` and `when` point into RowShape.columns. */
export interface Field extends Omit<FieldFile, 'when' | 'optional'> {
  readonly index: number;
  readonly when: readonly { readonly index: number; readonly values: readonly string[] }[];
  /** No field of the job file, but one of `everywhere`: its values are judged by the rules. */
  readonly byShape?: true;
}

/** One table of this very database, with every column that its fields need. */
export interface Target {
  /** Default: its table's. Columns that are found besides a table's target are a target of their own. */
  readonly name?: string;
  readonly shape: RowShape;
  readonly phase: number;
  readonly fields: readonly Field[];
  /** No table, but files beside the database: a row is a file, its row id the path. */
  readonly tree?: { readonly folders: readonly string[] };
  /** Nothing was found there: it is read by the verifier alone. */
  readonly onlyVerified?: true;
}

export function targetName({ name, shape }: Target): string {
  return name ?? shape.table;
}

/** What is settled of a place where undecided values stand. */
export interface Decision {
  readonly place: string;
  readonly as: 'rotate' | 'leave';
}

/** By which values are judged that are found by their shape alone. */
export interface Rules {
  readonly sensitive: NonNullable<JobFile['everywhere']>['sensitive'];
  readonly decisions: readonly Decision[];
  /** Places where the inventory found so many values, all of which open, that chance is out of the question. */
  readonly certain: readonly string[];
}

/**
 * A job resolved against one database: table names with their prefix, absent tables dropped, id columns known.
 * Plain data: it is stored in the run's row, and a resume uses that copy whatever became of the file.
 */
export interface Job {
  readonly name: string;
  readonly title: string;
  /** Hex SHA-256 of the job file's bytes. */
  readonly hash: string;
  readonly key: JobFile['key'];
  readonly phases: readonly string[];
  readonly targets: readonly Target[];
  /** Files that the job knows of and that are not rotated, on the user's word; absent: none. */
  readonly leftOut?: string;
  /** Declared tables that this database lacks. */
  readonly absent: readonly string[];
  /** With real table names, absent tables dropped. */
  readonly sourceKeys: readonly SourceKeyFile[];
  readonly canary: readonly CanaryFile[];
  /** Undefined: the job names every place itself. */
  readonly everywhere?: Rules & { readonly text: FormatFile; readonly binary: FormatFile | undefined };
  readonly exclude: JobFile['exclude'];
  /** `unless` of a table that does not exist is dropped: the secret is then always kept. */
  readonly derived: readonly {
    readonly secret: string;
    readonly setting: string;
    readonly unless?: JobFile['derived'][number]['unless'];
  }[];
  readonly afterwards: readonly string[];
}
