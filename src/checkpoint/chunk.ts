import { z } from 'zod';
import type { Range, RowId } from '../databases/database.ts';
import { type Cell, readStored, readWord, storedRowId } from './stored.ts';

const chunkStates = ['planned', 'rotated', 'verified', 'split', 'failed'] as const;
export type ChunkState = (typeof chunkStates)[number];

/** A range of one target's rows, or (a sweep) a short list of row ids in the range of `parent`. */
export interface Chunk {
  readonly chunk: number;
  readonly target: string;
  readonly phase: number;
  readonly parent: number | null;
  readonly range: Range;
  readonly rowIds: readonly RowId[] | null;
  readonly state: ChunkState;
  readonly attempts: number;
  readonly error: { readonly code: string; readonly text: string } | null;
  readonly verifiedRound: number;
}

// biome-ignore lint/suspicious/noExplicitAny: a row as knex returns it, parsed below
export type ChunkRow = Record<string, any>;

/** The columns of a chunk without its counts. */
export const chunkColumns = [
  'chunk',
  'target',
  'phase',
  'parent',
  'after',
  'up_to',
  'row_ids',
  'state',
  'attempts',
  'error_code',
  'error',
  'verified_round',
];

/** @throws KeyturnError `checkpoint-altered` */
export function chunkOf(run: string, row: ChunkRow): Chunk {
  const bound = (column: string): RowId | null =>
    row[column] === null ? null : readStored(storedRowId, row[column], cellOf(run, row, column));
  return {
    chunk: row.chunk,
    target: row.target,
    phase: row.phase,
    parent: row.parent,
    range: { after: bound('after'), upTo: bound('up_to') },
    rowIds: row.row_ids === null ? null : rowIdsOf(run, row, 'row_ids'),
    state: readWord(chunkStates, row.state, cellOf(run, row, 'state')),
    attempts: row.attempts,
    error: row.error_code === null ? null : { code: row.error_code, text: row.error },
    verifiedRound: row.verified_round,
  };
}

/** A stored list of row ids. @throws KeyturnError `checkpoint-altered` */
export function rowIdsOf(run: string, row: ChunkRow, column: 'row_ids' | 'late'): readonly RowId[] {
  return readStored(z.array(storedRowId), row[column], cellOf(run, row, column));
}

function cellOf(run: string, row: ChunkRow, column: string): Cell {
  return { run, table: 'keyturn_chunk', column, row: chunkName(row) };
}

export function chunkName({ chunk, target }: ChunkRow): string {
  return `chunk ${chunk} of ${target}`;
}

/** Error code of a chunk with a statement that timed out. */
export const chunkTimeout = 'chunk-timeout';

export type NewChunk = Pick<Chunk, 'target' | 'phase' | 'parent' | 'range' | 'rowIds'>;
