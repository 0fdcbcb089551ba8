import sql from 'mssql';
import type { Connection, ConnectionConfiguration } from 'tedious';
import { KeyturnError } from '../../error.ts';
import type { Login } from '../login.ts';
import { cleaned } from './error.ts';
import { acquire, inTransaction, release } from './internals.ts';
import { explainRefusal, keepReason } from './login-refusal.ts';
import { ask } from './request.ts';
import { describeMssql, type MssqlUrl } from './url.ts';

export type Pool = sql.ConnectionPool;

/**
 * XACT_ABORT: every error ends the transaction, as on other engines; by default some end only their statement.
 * DEADLOCK_PRIORITY: in a deadlock with another program, keyturn is the one to be rolled back.
 * NOCOUNT: the row counts of a trigger must not be taken for an answer.
 * DATEFORMAT: a date as text has the year first. The driver sets it too, but before the language, which sets it again.
 */
const sessionSql =
  'set xact_abort on; set nocount on; set lock_timeout 5000; set deadlock_priority low; set dateformat ymd';

export function clientConfig(url: MssqlUrl, login: Login): ConnectionConfiguration {
  const [, domain, name] = /^([^\\]+)\\(.+)$/.exec(url.user ?? '') ?? [undefined, undefined, url.user];
  const password = url.password ?? login.password;
  const options = {
    ...(name === undefined ? {} : { userName: name }),
    ...(password === undefined ? {} : { password }),
  };
  return {
    server: url.host,
    authentication:
      domain === undefined ? { type: 'default', options } : { type: 'ntlm', options: { ...options, domain } },
    options: {
      ...(url.instance === undefined ? { port: url.port ?? 1433 } : { instanceName: url.instance }),
      ...(url.database === undefined ? {} : { database: url.database }),
      encrypt: url.encrypt,
      trustServerCertificate: url.trustServerCertificate,
      appName: login.applicationName ?? 'keyturn',
      // Some messages are read, not only their numbers
      language: 'us_english',
      ...(url.hostNameInCertificate === undefined ? {} : { serverName: url.hostNameInCertificate }),
      multiSubnetFailover: url.multiSubnetFailover,
      readOnlyIntent: url.readOnlyIntent,
      connectTimeout: url.connectTimeoutMs,
      requestTimeout: login.statementTimeoutMs ?? 0,
    },
  };
}

/** A pool, once a connection has succeeded. It opens connections as they are needed. */
export async function openPool(url: MssqlUrl, config: ConnectionConfiguration): Promise<Pool> {
  const waitMs = 20_000 + 4 * url.connectTimeoutMs;
  const pool = new sql.ConnectionPool({
    ...(config as unknown as sql.config),
    // Longer than the driver tries to connect, several times if need be, so that its error is the one to be seen
    pool: { min: 0, max: 4, acquireTimeoutMillis: waitMs, createTimeoutMillis: waitMs },
    validateConnection: 'socket',
    beforeConnect: keepReason,
  } as sql.config);
  // A connection was lost while idle; if that matters, the next borrower gets the error
  pool.on('error', () => undefined);
  try {
    await pool.connect();
    await assertSchema(pool, url);
    return pool;
  } catch (error) {
    await pool.close();
    throw error instanceof KeyturnError ? error : refusal(cleaned(error), url);
  }
}

const prepared = new WeakSet<Connection>();

export async function borrow(pool: Pool): Promise<Connection> {
  const connection = await acquire(pool).catch((error) => {
    throw cleaned(error);
  });
  try {
    if (!prepared.has(connection)) await ask(connection, sessionSql);
    prepared.add(connection);
    return connection;
  } catch (error) {
    connection.close();
    giveBack(pool, connection);
    throw error;
  }
}

/** A connection with an open transaction (its end failed, or timed out) is closed, and the pool drops it. */
export function giveBack(pool: Pool, connection: Connection): boolean {
  if (inTransaction(connection)) connection.close();
  release(pool, connection);
  return true;
}

async function assertSchema(pool: Pool, url: MssqlUrl): Promise<void> {
  const connection = await borrow(pool);
  try {
    const { rows } = await ask(connection, 'select schema_id(@p0)', [url.schema]);
    if (rows[0]?.[0] == null)
      throw new KeyturnError(
        'database-missing',
        `there is no schema ${url.schema} in ${describeMssql(url)}`,
        {
          hint: 'add the schema of the application to the URL: ?schema=NAME',
        },
      );
  } finally {
    // No connection stays open before one is needed
    connection.close();
    giveBack(pool, connection);
  }
}

/** By the server's number, else by the driver's code (https://tediousjs.github.io/tedious/api-connection.html); no message of either contains a password. */
function refusal(cause: unknown, url: MssqlUrl): KeyturnError {
  const { code = '', number, message = '' } = cause as { code?: string; number?: number; message?: string };
  const place = describeMssql(url);
  const unreachable = (what: string, hint: string): KeyturnError =>
    new KeyturnError('database-unreachable', what, { hint, cause });
  // Cannot open the database; it does not exist
  if (number === 4060 || number === 911)
    return new KeyturnError('database-missing', `there is no database ${url.database ?? ''} at ${place}`, {
      hint: 'check the name of the database, and that the login may use it',
      cause,
    });
  const explained = explainRefusal(number);
  if (explained !== null) return unreachable(`${place} ${explained.what} (${message})`, explained.hint);
  if (code === 'ELOGIN')
    return unreachable(
      `${place} refused the login: ${message}`,
      'check the login, and the log of the server',
    );
  if (code === 'EENCRYPT')
    return unreachable(`${place} requires an encrypted connection`, 'remove encrypt=false from the URL');
  if (/certificate|self.signed|TLS|SSL/i.test(message))
    return unreachable(
      `no encrypted connection to ${place}: ${message}`,
      'set NODE_EXTRA_CA_CERTS=ca.pem for a private CA, add trustServerCertificate=true to accept any certificate, or encrypt=false for a server without TLS',
    );
  if (code === 'EINSTLOOKUP')
    return unreachable(
      `cannot find the instance of ${place}: ${message}`,
      'check that SQL Server Browser is running, or give the port instead of the instance name',
    );
  return unreachable(
    `cannot reach ${place}: ${message || code}`,
    'check that the server is running and listens on TCP, and that host and port are correct',
  );
}
