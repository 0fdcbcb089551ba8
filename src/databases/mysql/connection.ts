import { Socket } from 'node:net';
import knex, { type Knex } from 'knex';
import type { Connection, QueryResult } from 'mysql2';
import { quietKnex } from '../quiet-knex.ts';
import { RowReceiver } from '../row-receiver.ts';
import { endSilence } from '../silence.ts';
import type { DriverRow } from '../statement.ts';
import { withoutValues } from './error.ts';
import type { ReachedServer } from './session.ts';

/** The name that knex gives a connection, which is undocumented: every test with a server fails when an upgrade moves it. */
export function nameOf(connection: object): string {
  const { __knexUid: name } = connection as { readonly __knexUid?: unknown };
  if (typeof name !== 'string') throw new Error('knex gave the connection no name');
  return name;
}

/** @param failed is called for every statement of knex's own that fails, with the name of its connection */
export function mysqlKnex(server: ReachedServer, failed: (connection: string, error: unknown) => void): Knex {
  const made = knex({
    client: 'mysql2',
    connection: server.config as unknown as Knex.MySql2ConnectionConfig,
    ...quietKnex,
    acquireConnectionTimeout: 30_000,
    pool: {
      min: 0,
      max: 4,
      afterCreate(connection: Connection, done: (error: unknown, connection: Connection) => void) {
        prepareSession(connection, server).then(
          () => done(null, connection),
          (error) => done(error, connection),
        );
      },
    },
  });
  made.on('query-error', (error: unknown, query: object) => failed(nameOf(query), withoutValues(error)));
  return made;
}

async function prepareSession(
  connection: Connection,
  { sessionSql, statementTimeoutMs, mariadb }: ReachedServer,
): Promise<void> {
  // MySQL limits statements that read only; a write ends with its lock waits
  endSilence(socketOf(connection), mariadb ? statementTimeoutMs : undefined);
  for (const sql of sessionSql) await connection.promise().query(sql);
}

/** The driver's own name for it, which is undocumented: every test with a server fails when an upgrade moves it. */
function socketOf(connection: Connection): Socket {
  const { stream } = connection as unknown as { readonly stream?: unknown };
  if (!(stream instanceof Socket)) throw new Error('the driver gave the connection no socket');
  return stream;
}

/** The rows of a statement as they arrive: without a callback the driver keeps none. */
export async function rowByRow(
  connection: Connection,
  sql: string,
  each: (row: DriverRow) => void,
): Promise<void> {
  const receiver = new RowReceiver(each);
  await new Promise<void>((resolve, reject) => {
    const query = connection.query({ sql, rowsAsArray: true });
    query.on('result', (row) => receiver.add(row as unknown as DriverRow));
    query.on('error', reject);
    query.on('end', () => resolve());
  });
  receiver.end();
}

/** Runs one statement. It is prepared only if it has values: not every statement can be. */
export async function run(
  connection: Connection,
  sql: string,
  values: readonly string[] = [],
): Promise<{ rows: DriverRow[]; found: number }> {
  const statement = { sql, rowsAsArray: true };
  const [result] =
    values.length === 0
      ? await connection.promise().query<QueryResult>(statement)
      : await connection.promise().execute<QueryResult>({ ...statement, values: [...values] });
  return Array.isArray(result)
    ? { rows: result as unknown as DriverRow[], found: result.length }
    : { rows: [], found: result.affectedRows };
}
