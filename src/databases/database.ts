import type { Knex } from 'knex';
import type { Texts } from '../texts.ts';
import type { Dialect } from './dialect.ts';
import type { Failures } from './failures.ts';
import type { Server } from './server.ts';
import type { Traits } from './traits.ts';

/** One text per id column, in the engine's own spelling; compared only in SQL (invariant 10). */
export type RowId = readonly string[];

export interface Column {
  readonly name: string;
  /** The engine's own type name, e.g. `character varying`. */
  readonly type: string;
  /** What may carry ciphertext: characters (char, text, json…), bytes (bytea, varbinary, blob…), or neither. */
  readonly holds: 'text' | 'binary' | 'other';
  /** In characters, for `binary` in bytes; null: unlimited or not applicable. */
  readonly maxLength: number | null;
  readonly nullable: boolean;
  /** Computed by the engine (generated, computed, rowversion, system time): never written. */
  readonly generated: boolean;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Columns of the primary key in key order, or of the first unique index over NOT NULL columns; empty: there is none. */
  readonly rowId: readonly string[];
  /** Columns that an index covers: updating them costs more. */
  readonly indexed: readonly string[];
  /** Columns that a unique index covers, alone or with others, for all rows or some. */
  readonly unique: readonly string[];
  /** Names of the enabled triggers that the update of a row fires. */
  readonly triggers: readonly string[];
}

/** What is read of a row: its id and some columns, all as text. A byte is one character (U+0000 to U+00FF). */
export interface RowShape {
  readonly table: string;
  readonly id: readonly string[];
  readonly columns: readonly string[];
  /** How many of `columns`, counted from the first, `write` sets. It compares all of them. */
  readonly written: number;
}

export interface Row {
  readonly id: RowId;
  /** In the order of RowShape.columns. */
  readonly values: readonly (string | null)[];
}

/** `(after, upTo]`; null: no bound. */
export interface Range {
  readonly after: RowId | null;
  readonly upTo: RowId | null;
}

/** Compare-and-set of one row: `old` has the exact values last read, `new` those to store, in the order of RowShape.columns. */
export interface Change {
  readonly id: RowId;
  readonly old: readonly (string | null)[];
  readonly new: readonly (string | null)[];
}

/** Held by one coordinator while it works on a run; released when its process ends, however that happens. */
export interface RunLock {
  /** Rejects when the lock is lost; never resolves. */
  readonly lost: Promise<never>;
  /** May be called again. */
  release(): Promise<void>;
}

export type Transaction = Knex.Transaction;

/** The application's tables, without their rows' contents. */
export interface Catalog {
  /** Base tables (no views) of the schema, keyturn's own left out. */
  catalog(): Promise<readonly Table[]>;
  /** All rows. Those with NULL in their row id, which SQLite allows in a primary key, are in no chunk. */
  count(table: string): Promise<number>;
  /** Length in characters of the longest value of a column; 0 for an empty table. */
  longest(table: string, column: string): Promise<number>;
  /** Widens a column to this many characters (bytes); the rest of its declaration stays. Does nothing on an engine without lengths. */
  widen(table: string, column: string, length: number): Promise<void>;
}

/** Reads the application's rows. */
export interface Rows {
  /**
   * The id of the last row of the chunk that follows `after`: at least one row, at most `rows` rows, and about `bytes`
   * bytes of the shape's columns. Null: no row is left.
   */
  boundAfter(
    shape: RowShape,
    after: RowId | null,
    limit: { rows: number; bytes: number },
  ): Promise<RowId | null>;
  /** Rows in id order. With `limit`, only that many of them (the verifier pages with it), after the first `skip`. */
  readRange(shape: RowShape, range: Range, limit?: number, skip?: number): Promise<Row[]>;
  /**
   * All rows of a table without a row id, in no order, by one sequential read: memory does not grow with the table. Their
   * ids are empty. An error of `each` is thrown at the end.
   */
  readAll(shape: RowShape, each: (row: Row) => void): Promise<void>;
  /** Those of the given rows that exist, in no particular order. With `trx` they are locked against writers. */
  readRows(shape: RowShape, ids: readonly RowId[], trx?: Transaction): Promise<Row[]>;
  /**
   * The first `limit` rows after `after` of which a column contains one of the strings, taken literally; a binary column: its
   * UTF-8 bytes (SQL Server searches text columns only).
   */
  search(shape: RowShape, needles: readonly string[], after: RowId | null, limit: number): Promise<Row[]>;
}

/** Writes the application's rows and keyturn's own in one transaction (invariant 2). */
export interface Writes {
  /**
   * One short transaction that may write from its first statement (SQLite: BEGIN IMMEDIATE, which waits while the file
   * is busy). SQLite has one connection: everything in `work` must go through `trx`, or it waits for its own transaction.
   */
  transaction<T>(work: (trx: Transaction) => Promise<T>): Promise<T>;
  /**
   * Compare-and-set, null-safe and binary whatever the collation (invariant 3).
   * Returns the indexes of the changes that were NOT written, because the row changed or was deleted.
   */
  write(trx: Transaction, shape: RowShape, changes: readonly Change[]): Promise<number[]>;
}

/** Rows by column, in the order of RowShape.id and RowShape.columns. */
export interface Batch {
  readonly rows: number;
  readonly id: readonly Texts[];
  readonly columns: readonly Texts[];
}

/** Reads and writes many short rows at a time, without an object for each. */
export interface Batches {
  /** As `readRange`. Null: the columns cannot be read in this form. */
  readBatch(shape: RowShape, range: Range): Promise<Batch | null>;
  /**
   * As `write`, for all rows of the batch, which holds what was last read.
   * @param written the new texts of the first columns, as many as RowShape.written
   */
  writeBatch(trx: Transaction, shape: RowShape, batch: Batch, written: readonly Texts[]): Promise<number[]>;
}

/** Keyturn's own tables. */
export interface OwnTables {
  /** For keyturn's own tables; never for the application's. */
  readonly knex: Knex;
  readonly dialect: Dialect;
  readonly failures: Failures;
}

/**
 * A database, as the rotation needs it. It knows no keys and no formats. Every implementation passes
 * test/contract/database.ts.
 */
export interface Database extends Catalog, Rows, Writes, OwnTables {
  /** Where it is, for people: without the password. */
  readonly place: string;
  readonly traits: Traits;
  readonly server: Server;
  readonly batches: Batches;
  /** Throws KeyturnError `run-lock` when another process holds it. */
  lockRun(): Promise<RunLock>;
  close(): Promise<void>;
}
