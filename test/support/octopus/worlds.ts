import { has } from '../debian.ts';
import { createMysqlDatabase } from '../mariadb.ts';
import { createMssqlDatabase, mssqlServer } from '../mssql.ts';
import { createDatabase, type TestDatabase } from '../postgres.ts';
import { createSqlite } from '../sqlite.ts';
import { type Dialect, mariadb, postgres, sqlite, sqlserver } from './dialect.ts';

/** An engine on which Octopus' tables can be created. */
export interface World {
  readonly create: () => Promise<TestDatabase>;
  readonly dialect: Dialect;
}

export const worlds: readonly (readonly [name: string, world: World])[] = [
  ['sqlite', { create: createSqlite, dialect: sqlite }],
  ['postgres', { create: createDatabase, dialect: postgres }],
  ...(has('mariadb-server') ? [['mariadb', { create: createMysqlDatabase, dialect: mariadb }] as const] : []),
  ...(process.env.KEYTURN_TEST_MYSQL === undefined
    ? []
    : [
        [
          'mysql',
          { create: () => createMysqlDatabase(process.env.KEYTURN_TEST_MYSQL), dialect: mariadb },
        ] as const,
      ]),
  ...(mssqlServer === undefined
    ? []
    : [['sqlserver', { create: createMssqlDatabase, dialect: sqlserver }] as const]),
];
