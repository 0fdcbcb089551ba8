import { type Engine, postgres, sqlite } from './grounds.ts';
import { type Queue, redis, sameDatabase, threads } from './hands.ts';

/** Where a storm rages. */
export interface Stage {
  readonly engine: Engine;
  readonly queue: Queue;
  /** Of the whole suite. */
  readonly faults: number;
}

/** Another engine joins by a line. */
export const stages = {
  'PostgreSQL, queue in Redis': { engine: postgres, queue: redis, faults: 300 },
  'PostgreSQL, queue in the database itself': { engine: postgres, queue: sameDatabase, faults: 100 },
  'SQLite, queue in Redis': { engine: sqlite, queue: redis, faults: 100 },
  'SQLite, worker threads': { engine: sqlite, queue: threads, faults: 100 },
} satisfies Record<string, Stage>;

export type StageName = keyof typeof stages;
export const stageNames = Object.keys(stages) as StageName[];
