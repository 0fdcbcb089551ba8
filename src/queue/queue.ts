/**
 * A queue job: a hint that this chunk may be ready, and nothing else (invariant 1). Hints can be lost, repeated or
 * reordered without harm, because the checkpoint decides.
 */
export interface Hint {
  readonly run: string;
  readonly chunk: number;
  readonly generation: number;
}

/**
 * How the coordinator reaches its workers. Every implementation passes test/contract/queue.ts.
 * An unreachable queue does not end the run: `waiting` returns what it waits for.
 */
export interface Queue {
  /** For people: '4 worker threads', 'redis://…'. Without a password. */
  readonly place: string;
  /** The number of open chunks that keeps the workers busy. The coordinator offers about this many. */
  readonly backlog: number;
  /** A hint that is already waiting or in hand is not taken a second time. Offer chunks again while they are open. */
  offer(hints: readonly Hint[]): Promise<void>;
  /** Resolves when a worker has settled a hint since the last call, or after `ms`. Only a wake-up: read the checkpoint. */
  settled(ms: number): Promise<void>;

  /** Why no hints are taken: unreachable, no worker; null: no problem. */
  waiting(): string | null;
  /** False, once, after the queue has lost its jobs (flushed, restarted without data): offer with a new generation. */
  intact(): Promise<boolean>;
  /** Drops the waiting hints. Resolves when the hints in hand are settled, or when no worker is left to settle them. */
  drain(): Promise<void>;
  /** Ends the workers that it started. Call `drain` first; otherwise the database rolls back the chunks in flight. */
  close(): Promise<void>;
}
