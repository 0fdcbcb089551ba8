import { has, type Package } from '../support/debian.ts';
import { type Engine, mariadb, mssql, mysql, postgres, sqlite } from './grounds.ts';
import { type Queue, redis, sameDatabase, threads } from './hands.ts';

/** An engine and a queue that a storm of faults goes over. */
export interface Stage {
  readonly engine: Engine;
  readonly queue: Queue;
  /** How many faults the whole suite injects. */
  readonly faults: number;
  /** A Debian package, or an environment variable that names a server, since no package brings one. */
  readonly needs: readonly (Package | 'KEYTURN_TEST_MYSQL' | 'KEYTURN_TEST_MSSQL')[];
}

const all = {
  'PostgreSQL, queue in Redis': { engine: postgres, queue: redis, faults: 300, needs: ['redis-server'] },
  'PostgreSQL, queue in the database itself': {
    engine: postgres,
    queue: sameDatabase,
    faults: 100,
    needs: [],
  },
  'MariaDB, queue in Redis': {
    engine: mariadb,
    queue: redis,
    faults: 100,
    needs: ['mariadb-server', 'redis-server'],
  },
  'SQLite, queue in Redis': { engine: sqlite, queue: redis, faults: 100, needs: ['redis-server'] },
  'SQLite, worker threads': { engine: sqlite, queue: threads, faults: 100, needs: [] },
  'MySQL, queue in Redis': {
    engine: mysql,
    queue: redis,
    faults: 100,
    needs: ['KEYTURN_TEST_MYSQL', 'redis-server'],
  },
  'SQL Server, queue in Redis': {
    engine: mssql,
    queue: redis,
    faults: 100,
    needs: ['KEYTURN_TEST_MSSQL', 'redis-server'],
  },
} satisfies Record<string, Stage>;

export type StageName = keyof typeof all;
export const stages: Readonly<Record<StageName, Stage>> = all;
export const stageNames = Object.keys(all) as StageName[];

/** What the stage needs and this machine does not have. The clocks of all stages need faketime. */
export function lacking(name: StageName): string[] {
  return ['faketime' as const, ...stages[name].needs].filter((need) =>
    need.startsWith('KEYTURN_') ? process.env[need] === undefined : !has(need as Package),
  );
}
