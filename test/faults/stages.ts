import { type Engine, mariadb, mssql, mysql, postgres, sqlite } from './grounds.ts';
import { type Queue, redis, sameDatabase, threads } from './hands.ts';

/** Where a storm rages. */
export interface Stage {
  readonly engine: Engine;
  readonly queue: Queue;
  /** Of the whole suite. */
  readonly faults: number;
  /** A variable of the environment that has to name a server: no package brings one. */
  readonly needs?: string;
}

/** Another engine joins by a line. */
const all = {
  'PostgreSQL, queue in Redis': { engine: postgres, queue: redis, faults: 300 },
  'PostgreSQL, queue in the database itself': { engine: postgres, queue: sameDatabase, faults: 100 },
  'MariaDB, queue in Redis': { engine: mariadb, queue: redis, faults: 100 },
  'SQLite, queue in Redis': { engine: sqlite, queue: redis, faults: 100 },
  'SQLite, worker threads': { engine: sqlite, queue: threads, faults: 100 },
  'MySQL, queue in Redis': { engine: mysql, queue: redis, faults: 100, needs: 'KEYTURN_TEST_MYSQL' },
  'SQL Server, queue in Redis': { engine: mssql, queue: redis, faults: 100, needs: 'KEYTURN_TEST_MSSQL' },
} satisfies Record<string, Stage>;

export type StageName = keyof typeof all;
export const stages: Readonly<Record<StageName, Stage>> = all;

const named = ({ needs }: Stage): boolean => needs === undefined || process.env[needs] !== undefined;
const names = Object.keys(all) as StageName[];
export const stageNames = names.filter((name) => named(stages[name]));
export const withoutServer = names.filter((name) => !named(stages[name]));
