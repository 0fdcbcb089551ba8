import { afterAll, beforeAll } from '@jest/globals';
import { describeSharedQueue, type QueueServer } from '../contract/shared-queue.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(async () => database.close());

const tables =
  "select relname from pg_class where relkind = 'r' and relnamespace = 'keyturn_queue'::regnamespace";

describeSharedQueue(
  'BullMQ on PostgreSQL',
  (): QueueServer => ({
    url: database.url,
    port: Number(new URL(database.url).port),
    losses: {
      'schema dropped': async () => {
        await database.exec('drop schema keyturn_queue cascade');
      },
      truncated: async () => {
        const names = (await database.exec(tables)).map(({ relname }) => `keyturn_queue.${relname}`);
        const held = names.filter((name) => !name.endsWith('.migration'));
        await database.exec(`truncate ${held.join(', ')} restart identity cascade`);
      },
    },
    connections: async () => {
      const [row] = await database.exec(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name ~ 'keyturn'",
      );
      return Number(row?.n);
    },
    contents: async () => {
      const names = (await database.exec(tables)).map(({ relname }) => String(relname));
      const rows = await Promise.all(
        names.map((name) =>
          database.exec(`select row_to_json(t)::text as row from keyturn_queue."${name}" t`),
        ),
      );
      return rows
        .flat()
        .map(({ row }) => row)
        .join('\n');
    },
  }),
);
