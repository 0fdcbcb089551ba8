/**
 * A queue job: a hint that this chunk may be ready, and nothing else (invariant 1). Losing, repeating or reordering
 * hints is harmless: the checkpoint decides.
 */
export interface Hint {
  readonly run: string;
  readonly chunk: number;
  readonly generation: number;
}

/**
 * How the coordinator reaches its workers. Every implementation passes test/contract/queue.ts.
 * A queue that is out of reach never throws the run away: it says in `waiting` what it waits for.
 */
export interface Queue {
  /** For people: 'worker threads', 'redis://…'. No password. */
  readonly place: string;
  /** Chunks that keep the workers busy: the coordinator keeps about so many offered. */
  readonly backlog: number;
  /** A hint that is already waiting or being worked on is not taken a second time; offer again whatever stays open. */
  offer(hints: readonly Hint[]): Promise<void>;
  /** Resolves when a worker settled a hint since the last call, or after `ms`: a wake-up, never the truth. */
  settled(ms: number): Promise<void>;
  /** How many take hints now; null: it cannot be told. Across machines, processes are counted. */
  workers(): Promise<number | null>;
  /** Why hints are not taken: out of reach, no worker; null: nothing hinders. */
  waiting(): string | null;
  /** False, once, after the queue lost what it held (flushed, restarted without its data): offer under a new generation. */
  intact(): Promise<boolean>;
  /** Forgets what waits; resolves when what is being worked on is settled, or nobody is left to settle it. */
  drain(): Promise<void>;
  /** Ends the workers that it started. Call `drain` first, or what is in flight is rolled back by its database. */
  close(): Promise<void>;
}
