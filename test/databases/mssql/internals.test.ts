import { createServer } from 'node:net';
import { expect, test } from '@jest/globals';
import sql from 'mssql';
import { Connection, Request } from 'tedious';
import { RequestTokenHandler } from 'tedious/lib/token/handler.js';
import { acquire, inTransaction, isClosed, release } from '../../../src/databases/mssql/internals.ts';

/** A port of this host that nothing listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('a connection of tedious knows whether it is in a transaction and whether it is closed', async () => {
  const connection = new Connection({
    server: '127.0.0.1',
    options: { port: await closedPort(), encrypt: false },
  });
  expect([inTransaction(connection), isClosed(connection)]).toEqual([false, false]);
  await new Promise((resolve) => connection.connect(resolve));
  expect([inTransaction(connection), isClosed(connection)]).toEqual([false, true]);
});

test('tedious sets the flag of a transaction from what the server reports', () => {
  const connection = new Connection({ server: '127.0.0.1', options: { encrypt: false } });
  const tokens = new RequestTokenHandler(connection, new Request('', () => undefined));
  const reported = { newValue: Buffer.alloc(8) };
  tokens.onBeginTransaction(reported as never);
  expect(inTransaction(connection)).toBe(true);
  tokens.onCommitTransaction(reported as never);
  expect(inTransaction(connection)).toBe(false);
  tokens.onBeginTransaction(reported as never);
  tokens.onRollbackTransaction(reported as never);
  expect(inTransaction(connection)).toBe(false);
});

test('a pool of mssql lends and takes back connections of tedious', async () => {
  const pool = new sql.ConnectionPool({ server: '127.0.0.1' });
  pool.on('error', () => undefined);
  await expect(acquire(pool)).rejects.toMatchObject({ code: 'ENOTOPEN' });
  expect(() => release(pool, new Connection({ server: '127.0.0.1' }))).not.toThrow();
});
