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
 */
export interface Queue {
  /** For people: 'worker threads', 'redis at …'. */
  readonly place: string;
  /** Chunks that keep the workers busy: the coordinator keeps about so many offered. */
  readonly backlog: number;
  /** A hint that is already waiting or being worked on is not taken a second time. */
  offer(hints: readonly Hint[]): Promise<void>;
  /** Resolves when a worker settled a hint since the last call, or after `ms`: a wake-up, never the truth. */
  settled(ms: number): Promise<void>;
  /** Forgets what waits; resolves when what is being worked on is settled. */
  drain(): Promise<void>;
  /** Ends the workers that it started. Call `drain` first, or what is in flight is rolled back by its database. */
  close(): Promise<void>;
}
