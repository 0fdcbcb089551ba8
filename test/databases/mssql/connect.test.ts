import dns from 'node:dns';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Database } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import { openBlackHole } from '../../support/black-hole.ts';
import { makeCertificates } from '../../support/certificates.ts';
import { keyturn } from '../../support/cli.ts';
import { ordinary, type StatementAnswer, TdsServer } from '../../support/tds-server.ts';

let server: TdsServer;
const left: (() => Promise<void> | void)[] = [];
beforeEach(async () => {
  server = await TdsServer.start();
  left.push(() => server.close());
});
afterEach(async () => {
  for (const leave of left.splice(0).reverse()) await leave();
});

async function open(url: string, statementTimeoutMs?: number): Promise<Database> {
  const database = await openDatabase(url, statementTimeoutMs === undefined ? {} : { statementTimeoutMs });
  left.push(() => database.close());
  return database;
}

async function thrownBy(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error('nothing was thrown'),
    (error: Error) => error,
  );
}

/** A connection is made, and then a statement has no answer. */
function silent(sql: string): StatementAnswer {
  return sql === 'select 1' ? 'silence' : (ordinary(sql) ?? []);
}

/** A name with two addresses: the first is offline, the second is the server. */
async function listener(): Promise<string> {
  const hole = await openBlackHole('127.0.0.2', server.port);
  left.push(() => hole.close());
  const resolve = jest.spyOn(dns, 'lookup').mockImplementation(((...args: unknown[]) => {
    const answer = args.at(-1) as (error: null, addresses: unknown) => void;
    answer(
      null,
      ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 })),
    );
  }) as never);
  left.push(() => resolve.mockRestore());
  return 'listener.of.a.group';
}

test('a listener with an offline first address is reached at the next', async () => {
  await open(server.url('&connectTimeout=5', await listener()));
  expect(server.logins).not.toEqual([]);
});

test('multiSubnetFailover=false tries one address after the other, as long as the connect timeout lasts', async () => {
  const url = server.url('&connectTimeout=1&multiSubnetFailover=false', await listener());
  expect(await thrownBy(openDatabase(url))).toMatchObject({
    code: 'database-unreachable',
    message: expect.stringContaining('in 1000ms'),
  });
  expect(server.logins).toEqual([]);
});

test('the reason of every address is told when none can be reached', async () => {
  const { port } = server;
  await server.close();
  left.splice(0);
  expect(await thrownBy(openDatabase(`mssql://u@127.0.0.1:${port}/d`))).toMatchObject({
    message: expect.stringMatching(/ECONNREFUSED 127\.0\.0\.1/),
  });
});

test.each([
  ['', false],
  ['&applicationIntent=ReadOnly', true],
  ['&applicationIntent=ReadWrite', false],
])('with %s the server is told whether keyturn only reads', async (query, readOnlyIntent) => {
  const database = await open(server.url(query));
  await (await database.lockRun()).release();
  expect(server.logins.map((login) => login.readOnlyIntent)).toEqual(server.logins.map(() => readOnlyIntent));
});

test('a certificate for another host is accepted under the name that hostNameInCertificate gives', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-tls-'));
  left.push(() => rmSync(folder, { recursive: true }));
  await makeCertificates(folder);
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  const secure = await TdsServer.start({
    host: '127.0.0.2',
    tls: { key: read('server.key'), cert: read('server.pem') },
  });
  left.push(() => secure.close());
  secure.onStatement = (sql) => ordinary(sql) ?? { number: 208, text: 'Invalid object name' };
  const status = (query: string) =>
    keyturn(['status', '--database', `mssql://u@127.0.0.2:${secure.port}/d?encrypt=strict${query}`], {
      cwd: folder,
      env: { NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') },
    });
  expect((await status('')).stderr).toMatch(/no encrypted connection .*127\.0\.0\.2 is not in the cert/);
  expect(secure.logins).toEqual([]);
  await status('&hostNameInCertificate=localhost');
  expect(secure.logins).not.toEqual([]);
});

test('a statement timeout is not the time that a login may take', async () => {
  server.onLogin = async () => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    return 'accept' as const;
  };
  const database = await open(server.url(), 200);
  server.onStatement = silent;
  const error = await thrownBy(database.knex.raw('select 1'));
  expect(database.failures.isTimeout(error)).toBe(true);
  expect(database.failures.isTransient(error)).toBe(false);
});

test('a server that is silent from one moment on is a lost connection, and not a slow statement', async () => {
  const database = await open(server.url(), 200);
  server.onStatement = silent;
  server.cancels = false;
  const error = await thrownBy(database.knex.raw('select 1'));
  expect(database.failures.isTimeout(error)).toBe(false);
  expect(database.failures.isTransient(error)).toBe(true);
}, 20_000);

test('a server that accepts connections and no login is given up after the connect timeout', async () => {
  server.onLogin = () => 'silence';
  const error = await thrownBy(openDatabase(server.url('&connectTimeout=1')));
  expect(error).toMatchObject({
    code: 'database-unreachable',
    message: expect.stringContaining('in 1000ms'),
  });
});

test('the session reads dates with the year first, whatever the language', async () => {
  const database = await open(server.url());
  await database.knex.raw('select 1');
  const language = server.statements.findLastIndex((sql) => /set language us_english/.test(sql));
  const order = server.statements.findLastIndex((sql) => /set dateformat ymd/.test(sql));
  expect(order).toBeGreaterThan(language);
});
