import { type MariadbServer, startMariadb } from './mariadb.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';

declare global {
  var keyturnTestServers: readonly (PostgresServer | MariadbServer)[] | undefined;
}

/** One server of each kind for all test files; one named by the environment is used and left alone. */
export default async function setUp(): Promise<void> {
  globalThis.keyturnTestServers = await Promise.all([
    ...started('KEYTURN_TEST_POSTGRES', startPostgres),
    ...started('KEYTURN_TEST_MARIADB', startMariadb),
  ]);
}

function started<T extends { readonly url: string }>(
  variable: string,
  start: () => Promise<T>,
): Promise<T>[] {
  if (process.env[variable]) return [];
  const server = start();
  return [
    server.then((it) => {
      process.env[variable] = it.url;
      return it;
    }),
  ];
}
