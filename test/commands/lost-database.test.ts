import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import { createMysqlDatabase } from '../support/mariadb.ts';
import { needing } from '../support/needing.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { keyturn } from './keyturn.ts';

/** The URL of a proxy to the server of `url`. It ends for good when it is asked to pass on the given text. */
async function endingAt(text: string, url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    server.on('error', () => undefined);
    client.on('error', () => undefined);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    server.pipe(client);
    client.on('data', (data) => {
      if (!data.includes(text)) {
        server.write(data);
        return;
      }
      proxy.close();
      client.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const through = new URL(url);
  through.hostname = '127.0.0.1';
  through.port = String((proxy.address() as { port: number }).port);
  return through.href;
}

async function expectLost(database: TestDatabase): Promise<void> {
  try {
    const url = await endingAt('keyturn_version', database.url);
    const { code, stdout, stderr } = await keyturn(['status', '--database', url, '--json']);
    expect({ code, stderr }).toMatchObject({ code: 3 });
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'database-lost',
      message: 'the connection to the database was lost',
      hint: 'when the database can be reached again, run the command again',
    });
    expect(stderr).toContain('keyturn: error: the connection to the database was lost\nkeyturn: hint: when');
  } finally {
    await database.close();
  }
}

test('a PostgreSQL that goes away during a command is reported as lost', async () => {
  await expectLost(await createDatabase());
});

needing('mariadb-server').test('a MariaDB that goes away during a command is reported as lost', async () => {
  await expectLost(await createMysqlDatabase());
});
