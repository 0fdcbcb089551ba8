/** What a worker did with a chunk. Null if another worker did it, or if the run was stopped or taken over. */
export interface ChunkDone {
  readonly event: 'rotated' | 'verified';
  readonly target: string;
  readonly rows: number;
}

/** What a worker reports about a chunk, for logs and metrics. Contains no row id and no value. */
export interface ChunkNews {
  readonly event: ChunkDone['event'] | 'nothing' | 'retried' | 'failed';
  readonly run: string;
  readonly chunk: number;
  /** Null: unknown. */
  readonly target: string | null;
  /** If the chunk is done; otherwise 0. */
  readonly rows: number;
  /** Since the worker took the chunk. */
  readonly ms: number;
  readonly worker: string;
  /** Of the error with which it failed or was retried. */
  readonly code?: string;
}
