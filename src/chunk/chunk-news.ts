/** What a worker did with a chunk: nothing (null) when another did it, or the run was stopped or taken over. */
export interface ChunkDone {
  readonly event: 'rotated' | 'verified';
  readonly target: string;
  readonly rows: number;
}

/** What a worker tells of a chunk, for logs and metrics: no row id, no value. */
export interface ChunkNews {
  readonly event: ChunkDone['event'] | 'nothing' | 'retried' | 'failed';
  readonly run: string;
  readonly chunk: number;
  /** Null: not known. */
  readonly target: string | null;
  /** Of a chunk that is done. */
  readonly rows: number;
  /** Since the worker took it. */
  readonly ms: number;
  readonly worker: string;
  /** Of what made it fail or be tried again. */
  readonly code?: string;
}
