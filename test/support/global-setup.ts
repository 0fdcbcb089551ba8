import { type PostgresServer, startPostgres } from './postgres.ts';

declare global {
  var keyturnTestPostgres: PostgresServer | undefined;
}

/** One PostgreSQL for all test files; one named by KEYTURN_TEST_POSTGRES is used and left alone. */
export default async function setUp(): Promise<void> {
  if (process.env.KEYTURN_TEST_POSTGRES) return;
  globalThis.keyturnTestPostgres = await startPostgres();
  process.env.KEYTURN_TEST_POSTGRES = globalThis.keyturnTestPostgres.url;
}
