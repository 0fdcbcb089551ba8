import type { Range, RowId } from '../databases/database.ts';

export type ChunkState = 'planned' | 'rotated' | 'verified' | 'split' | 'failed';

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

export function chunkOf(row: ChunkRow): Chunk {
  return {
    chunk: row.chunk,
    target: row.target,
    phase: row.phase,
    parent: row.parent,
    range: {
      after: row.after === null ? null : JSON.parse(row.after),
      upTo: row.up_to === null ? null : JSON.parse(row.up_to),
    },
    rowIds: row.row_ids === null ? null : JSON.parse(row.row_ids),
    state: row.state,
    attempts: row.attempts,
    error: row.error_code === null ? null : { code: row.error_code, text: row.error },
    verifiedRound: row.verified_round,
  };
}

/** Error code of a chunk with a statement that timed out. */
export const chunkTimeout = 'chunk-timeout';

export type NewChunk = Pick<Chunk, 'target' | 'phase' | 'parent' | 'range' | 'rowIds'>;
