import type { Knex } from 'knex';
import type { RowId, Transaction } from '../databases/database.ts';
import { chunkName } from './chunk.ts';
import { readStored, storedRowId } from './stored.ts';

export type ExceptionReason =
  | 'does-not-open'
  | 'not-ciphertext'
  | 'malformed-document'
  | 'undecided'
  | 'undecided-place'
  | 'implausible'
  | 'under-new-key'
  | 'nested'
  | 'other-label'
  | 'held-back'
  | 'stray'
  | 'changing'
  | 'digest-differs'
  | 'unproven';

/** A value that could not be rotated: where it is and why, never its content. */
export interface Exception {
  readonly target: string;
  readonly rowId: RowId;
  readonly field: string;
  readonly path: string;
  readonly reason: ExceptionReason;
}

export interface RecordedException extends Exception {
  readonly chunk: number;
  readonly state: 'open' | 'resolved';
  readonly at: string;
}

/** Values that stay as they are, under whichever key, until a person decides. */
export const undecidedReasons: readonly ExceptionReason[] = ['undecided', 'undecided-place'];

/** What only a scan finds. */
const scanned: ExceptionReason[] = ['digest-differs', 'unproven', 'stray'];

/** Default: exceptions of every reason. */
export interface ReasonFilter {
  readonly only?: readonly ExceptionReason[];
  readonly but?: readonly ExceptionReason[];
}

// biome-ignore lint/suspicious/noExplicitAny: a row as knex returns it, parsed below
type Row = Record<string, any>;

export class ExceptionTable {
  readonly #knex: Knex;
  readonly #run: string;

  constructor(knex: Knex, run: string) {
    this.#knex = knex;
    this.#run = run;
  }

  #open({ only, but }: ReasonFilter): Knex.QueryBuilder {
    const rows = this.#knex('keyturn_exception').where({ run: this.#run, state: 'open' });
    if (only !== undefined) rows.whereIn('reason', only);
    if (but !== undefined) rows.whereNotIn('reason', but);
    return rows;
  }

  /** @throws KeyturnError `checkpoint-altered` */
  #rowIdOf(row: Row): RowId {
    const cell = { table: 'keyturn_exception', column: 'row_id', row: chunkName(row) } as const;
    return readStored(storedRowId, row.row_id, { run: this.#run, ...cell });
  }

  async insert(trx: Transaction, chunk: number, exceptions: readonly Exception[]): Promise<void> {
    const at = new Date().toISOString();
    for (let i = 0; i < exceptions.length; i += 200) {
      await trx('keyturn_exception').insert(
        exceptions.slice(i, i + 200).map((exception) => ({
          run: this.#run,
          chunk,
          target: exception.target,
          row_id: JSON.stringify(exception.rowId),
          field: exception.field,
          path: exception.path,
          reason: exception.reason,
          state: 'open',
          at,
        })),
      );
    }
  }

  /** A row is read again: its earlier exceptions do not count any more. */
  async resolve(trx: Transaction, target: string, rowIds: readonly RowId[]): Promise<void> {
    for (let i = 0; i < rowIds.length; i += 200) {
      await trx('keyturn_exception')
        .where({ run: this.#run, target, state: 'open' })
        .whereIn(
          'row_id',
          rowIds.slice(i, i + 200).map((id) => JSON.stringify(id)),
        )
        .update({ state: 'resolved' });
    }
  }

  /** The rows, as JSON texts, that have an open exception. */
  async listed(trx: Transaction, target: string, rowIds: readonly RowId[]): Promise<Set<string>> {
    const found = new Set<string>();
    for (let i = 0; i < rowIds.length; i += 200) {
      const ids = rowIds.slice(i, i + 200).map((id) => JSON.stringify(id));
      const rows: { row_id: string }[] = await trx('keyturn_exception')
        .where({ run: this.#run, target, state: 'open' })
        .whereIn('row_id', ids)
        .select('row_id');
      for (const { row_id } of rows) found.add(row_id);
    }
    return found;
  }

  /** Rows of a range that had an exception when it was rotated, whatever became of it since. */
  async exceptedRows(range: number): Promise<RowId[]> {
    const rows: Row[] = await this.#knex('keyturn_exception')
      .where({ run: this.#run, chunk: range })
      .whereNotIn('reason', scanned)
      .select('row_id', 'target', 'chunk');
    return rows.map((row) => this.#rowIdOf(row));
  }

  /** Rows, each once, with an open exception of this reason. */
  async countRows(reason: ExceptionReason): Promise<number> {
    const rows = this.#open({ only: [reason] })
      .distinct('target', 'row_id')
      .as('rows');
    const counted = await this.#knex.from(rows).count<{ n: number }[]>('* as n');
    return Number(counted[0]?.n ?? 0);
  }

  /** An operator answers for rows. Their values that do not open stay exceptions. */
  async accept(reason: ExceptionReason): Promise<void> {
    await this.#knex('keyturn_exception')
      .where({ run: this.#run, state: 'open', reason, field: '' })
      .update({ state: 'resolved' });
  }

  /** A chunk is verified again: exceptions that only a scan finds are found again, or are fixed. */
  async resolveScanned(trx: Transaction, chunk: number): Promise<void> {
    await trx('keyturn_exception')
      .where({ run: this.#run, chunk, state: 'open' })
      .whereIn('reason', scanned)
      .update({ state: 'resolved' });
  }

  /** Undecided values of a range and of its sweeps, by the row id as JSON text. */
  async undecided(range: number): Promise<Map<string, Exception[]>> {
    const chunks = this.#knex('keyturn_chunk')
      .where({ run: this.#run })
      .where((where) => where.where({ chunk: range }).orWhere({ parent: range }))
      .select('chunk');
    const rows: Row[] = await this.#open({ only: undecidedReasons }).whereIn('chunk', chunks);
    const byRow = new Map<string, Exception[]>();
    for (const row of rows) {
      const { target, row_id: id, field, path, reason } = row;
      const rowId = this.#rowIdOf(row);
      byRow.set(id, [...(byRow.get(id) ?? []), { target, rowId, field, path, reason }]);
    }
    return byRow;
  }

  async countOpen(filter: ReasonFilter = {}): Promise<number> {
    const row = await this.#open(filter).count<{ n: number }[]>('* as n');
    return Number(row[0]?.n ?? 0);
  }

  /** In the order in which they were found, `limit` at a time. */
  async open(limit: number, offset = 0, filter: ReasonFilter = {}): Promise<RecordedException[]> {
    const rows: Row[] = await this.#open(filter)
      .orderBy(['at', 'target', 'row_id', 'field', 'path'])
      .limit(limit)
      .offset(offset);
    return rows.map((row) => ({
      target: row.target,
      rowId: this.#rowIdOf(row),
      field: row.field,
      path: row.path,
      reason: row.reason,
      chunk: row.chunk,
      state: row.state,
      at: row.at,
    }));
  }
}
