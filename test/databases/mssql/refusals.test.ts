import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Database } from '../../../src/databases/database.ts';
import { openDatabase } from '../../../src/databases/open.ts';
import type { KeyturnError } from '../../../src/error.ts';
import { InFlight } from '../../../src/in-flight.ts';
import { regain } from '../../../src/rotation/regain.ts';
import { QueueWorker } from '../../../src/rotation/workers/queue-worker.ts';
import { keyturn } from '../../support/cli.ts';
import { createDatabase } from '../../support/postgres.ts';
import type { ServerError } from '../../support/tds-messages.ts';
import { ordinary, type StatementAnswer, TdsServer } from '../../support/tds-server.ts';

/** Refusals that pass, as the server words them, and what keyturn says of them at the start of a command. */
const passing: readonly (readonly [number, RegExp])[] = [
  [921, /cannot open the database at the moment/],
  [922, /cannot open the database at the moment/],
  [952, /cannot open the database at the moment/],
  [976, /a replica that does not accept connections at the moment/],
  [983, /a replica that does not accept connections at the moment/],
  [988, /cannot open the database at the moment/],
  [4221, /a replica that does not accept connections at the moment/],
  [6005, /is shutting down/],
  [6006, /is shutting down/],
  [10928, /at the limit/],
  [10929, /at the limit/],
  [10936, /at the limit/],
  [17142, /is paused/],
  [17187, /is starting/],
  [17809, /at the limit/],
  [18401, /is starting/],
  [40143, /cannot process the login/],
  [40197, /cannot process the login/],
  [40501, /at the limit/],
  [40540, /cannot process the login/],
  [40613, /cannot open the database at the moment/],
  [49918, /at the limit/],
  [49919, /at the limit/],
  [49920, /at the limit/],
];

/** Refusals that last until somebody does something. */
const lasting: readonly (readonly [number, RegExp, RegExp])[] = [
  [18456, /did not accept the login/, /KEYTURN_DATABASE_PASSWORD/],
  [18452, /Windows domain/, /login of SQL Server/],
  [18470, /disabled this login/, /ENABLE/],
  [18486, /locked this login out/, /UNLOCK/],
  [18487, /requires a new password/, /ALTER LOGIN/],
  [18488, /requires a new password/, /ALTER LOGIN/],
  [40615, /firewall/, /firewall rule/],
  [40914, /firewall/, /firewall rule/],
  [40532, /does not know the server/, /user@server/],
  [18461, /single user/, /MULTI_USER/],
  [17892, /logon trigger/, /logon triggers/],
  [978, /secondary replica/, /primary replica/],
  [942, /offline/, /online/],
  [4060, /there is no database app/, /name of the database/],
  [50001, /refused the login: .*words of 50001/, /log of the server/],
];

/** As a server does: the reason first, and then only that the login failed. */
function refusal(number: number): readonly ServerError[] {
  const failed = { number: 18456, text: "Login failed for user 'keyturn'." };
  return number === failed.number ? [failed] : [{ number, text: `the words of ${number}` }, failed];
}

let server: TdsServer;
const opened: Database[] = [];
beforeEach(async () => {
  server = await TdsServer.start();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close()));
  await server.close();
});

async function open(): Promise<Database> {
  const database = await openDatabase(server.url());
  opened.push(database);
  return database;
}

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Drops the connections that the pool keeps, so that the next statement needs a login. */
async function cut(database: Database): Promise<void> {
  server.cutAll();
  await thrownBy(database.knex.raw('select 1'));
}

describe('a login that is refused at the start', () => {
  test.each(passing)('with error %d is told as something that passes', async (number, words) => {
    server.onLogin = () => refusal(number);
    const error = (await thrownBy(openDatabase(server.url()))) as KeyturnError;
    expect(error).toMatchObject({ code: 'database-unreachable', message: expect.stringMatching(words) });
    expect(error.message).toContain(`the words of ${number}`);
    expect(`${error.message} ${error.hint}`).not.toMatch(/password|secret/i);
  });

  test.each(lasting)('with error %d is told with what to do', async (number, words, hint) => {
    server.onLogin = () => refusal(number);
    const error = (await thrownBy(openDatabase(server.url()))) as KeyturnError;
    expect(error.message).toMatch(words);
    expect(error.hint).toMatch(hint);
    expect(`${error.message} ${error.hint}`).not.toContain('secret');
  });

  test('ends a command with exit code 2 and the words for people', async () => {
    server.onLogin = () => refusal(40613);
    const { code, stderr } = await keyturn(['status', '--database', server.url()], { cwd: process.cwd() });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^keyturn: error: mssql:\/\/keyturn@\S+ cannot open the database at the moment \(SQL Server error 40613: the words of 40613\)\n.*try again in a few minutes/,
      ),
    });
  });

  test('and then accepted, by a server that is resuming, is not noticed', async () => {
    // With one error only, as Azure answers
    const resuming = [{ number: 40613 }] as const;
    server.onLogin = () => (server.logins.length <= 2 ? resuming : 'accept');
    await open();
    expect(server.logins.length).toBeGreaterThan(2);
  });
});

describe('a login that is refused in the middle of a run', () => {
  test.each(passing)('with error %d is waited for, of the pool and of the run lock', async (number) => {
    const database = await open();
    server.onLogin = () => refusal(number);
    await cut(database);
    const ofPool = await thrownBy(database.knex.raw('select 1'));
    const ofLock = await thrownBy(database.lockRun());
    for (const error of [ofPool, ofLock]) {
      expect(error).toMatchObject({ number, message: `SQL Server error ${number}: the words of ${number}` });
      expect(database.failures.isTransient(error)).toBe(true);
      expect(database.failures.isTimeout(error)).toBe(false);
    }
  });

  test.each(lasting)('with error %d is not waited for', async (number) => {
    const database = await open();
    server.onLogin = () => refusal(number);
    await cut(database);
    for (const error of [await thrownBy(database.knex.raw('select 1')), await thrownBy(database.lockRun())]) {
      expect(error).toMatchObject({ number });
      expect(database.failures.isTransient(error)).toBe(false);
    }
  });

  test('by a server that cuts the connection instead of an answer is waited for', async () => {
    const database = await open();
    server.onLogin = () => 'cut';
    await cut(database);
    for (const error of [await thrownBy(database.knex.raw('select 1')), await thrownBy(database.lockRun())])
      expect(database.failures.isTransient(error)).toBe(true);
  });

  test('is tried until it is accepted, and the run lock is taken again', async () => {
    server.onStatement = (sql) => ordinary(sql) ?? runRow(sql);
    const database = await open();
    const refused = passing.map(([number]) => refusal(number));
    server.onLogin = ({ program }) => (program.endsWith('run lock') && refused.shift()) || 'accept';
    // Of the numbers above, three: the pauses between them grow
    refused.splice(3);
    server.cutAll();
    const regained = await regain({ database, signal: new AbortController().signal }, { id: 'r1', fence: 3 });
    expect(regained?.run.fence).toBe(3);
    expect(refused).toEqual([]);
    await regained?.lock.release();
  });
});

/** The one run of the database. */
function runRow(sql: string): StatementAnswer {
  if (!sql.includes('keyturn_run')) return [];
  const texts = ['job', 'pinned', 'options', 'authority', 'inventory'].map((name) => [name, '{}'] as const);
  const names = ['from_key_id', 'to_key_id', 'tool_version', 'place', 'created_at'] as const;
  return [
    {
      ...{ id: 'r1', kind: 'rotation', state: 'rotating', fence: 3, round: 1 },
      ...{ reason: null, requested: null, waiting: null, coordinator: null, finished_at: null, mac: null },
      ...Object.fromEntries(names.map((name) => [name, name])),
      ...Object.fromEntries(texts),
    },
  ];
}

test.each([40613, 10928, 18401])(
  'a queue worker whose login is refused with error %d says why, and goes on when it is accepted',
  async (number) => {
    const queue = await createDatabase();
    server.onStatement = (sql) =>
      ordinary(sql) ?? (/keyturn_version/.test(sql) ? { number: 208, text: 'Invalid object name' } : []);
    const database = await open();
    server.onLogin = () => refusal(number);
    await cut(database);
    const stop = new AbortController();
    const worker = await QueueWorker.open({
      database,
      queue: { url: queue.url, password: null },
      workerEntry: new URL('file:///never'),
      concurrency: 1,
      graceMs: 1_000,
      signal: stop.signal,
      inFlight: new InFlight(),
      exitWhenDone: false,
      admit: async () => {
        throw new Error('no run was to be found');
      },
      news: () => undefined,
      warn: () => undefined,
    });
    expect(worker.waiting()).toBe(
      `the database does not respond: SQL Server error ${number}: the words of ${number}`,
    );
    server.onLogin = () => 'accept';
    const working = worker.work();
    while (worker.waiting() !== 'no run to work on') await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort('the test');
    await working;
    await queue.close();
  },
);
