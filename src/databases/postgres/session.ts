import { Socket } from 'node:net';
import pg from 'pg';
import { KeyturnError } from '../../error.ts';
import { lacksTls, postgresTls } from '../../tls.ts';
import type { Login } from '../login.ts';
import { endSilence, keepAliveMs } from '../silence.ts';
import { describePostgres, type PostgresUrl } from './url.ts';

/**
 * The text of a value must not depend on settings of the server or the role: it is a row id, or compared with what is
 * stored.
 * row_security off: a policy that would hide rows is an error, not a table with fewer rows.
 * READ COMMITTED: under a stricter default, a compare-and-set that meets a concurrent writer fails instead of seeing its
 * row.
 * idle_in_transaction_session_timeout: a frozen worker keeps its chunk locked for less time than others try to take it.
 */
const settings = {
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  row_security: 'off',
  default_transaction_isolation: 'read committed',
  lock_timeout: '5s',
  idle_in_transaction_session_timeout: '20s',
};

const sessionSql = Object.entries(settings)
  .map(([name, value]) => `set ${name} = '${value}'`)
  .join('; ');

/** A configuration of the driver with which a connection succeeded. */
export async function connectable(url: PostgresUrl, login: Login): Promise<pg.ClientConfig> {
  const config = clientConfig(url, login);
  const { sslMode = 'disable', sslFiles } = url;
  const ssl = await postgresTls(sslMode, sslFiles, 'database');
  if (ssl === false) return tested(config, url);
  try {
    return await tested({ ...config, ssl }, url);
  } catch (error) {
    if (sslMode !== 'prefer' || !lacksTls(error)) throw error;
    return tested(config, url);
  }
}

function clientConfig(url: PostgresUrl, login: Login): pg.ClientConfig {
  const password = url.password ?? login.password;
  return {
    host: url.host,
    port: url.port,
    ...(url.user === undefined ? {} : { user: url.user }),
    ...(password === undefined ? {} : { password }),
    ...(url.database === undefined ? {} : { database: url.database }),
    application_name: login.applicationName ?? 'keyturn',
    ...(login.statementTimeoutMs === undefined ? {} : { statement_timeout: login.statementTimeoutMs }),
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
  };
}

async function tested(config: pg.ClientConfig, url: PostgresUrl): Promise<pg.ClientConfig> {
  const client = new pg.Client(config);
  client.on('error', () => undefined);
  try {
    await client.connect();
    const found = await client.query('select from pg_namespace where nspname = $1', [url.schema]);
    if (found.rowCount === 0)
      throw new KeyturnError(
        'database-missing',
        `there is no schema ${url.schema} in ${describePostgres(url)}`,
        {
          hint: 'add the schema of the application to the URL: ?schema=NAME',
        },
      );
    return config;
  } catch (error) {
    throw error instanceof KeyturnError ? error : refusal(error, url);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html; the server's messages never contain a password (tested). */
function refusal(cause: unknown, url: PostgresUrl): KeyturnError {
  const { code = '', message = '' } = cause as { code?: string; message?: string };
  const place = describePostgres(url);
  const unreachable = (what: string, hint: string): KeyturnError =>
    new KeyturnError('database-unreachable', what, { hint, cause });
  if (code === '3D000')
    return new KeyturnError('database-missing', `there is no database ${url.database ?? ''} at ${place}`, {
      hint: 'check the name of the database',
      cause,
    });
  if (code === '28P01' || /password must be a (non-empty )?string/.test(message))
    return unreachable(`${place} did not accept the login`, 'check the user and KEYTURN_DATABASE_PASSWORD');
  if (/no encryption/.test(message))
    return unreachable(
      `${place} requires an encrypted connection`,
      'add sslmode=require (or verify-full) to the URL',
    );
  if (code.startsWith('28'))
    return unreachable(`${place} does not allow this login`, 'check pg_hba.conf on the server');
  if (/SSL|certificate|self.signed/i.test(message + code))
    return unreachable(`no encrypted connection to ${place}: ${message}`, 'check sslmode and sslrootcert');
  return unreachable(
    `cannot reach ${place}: ${message || code}`,
    'check that the server is running, and that host and port are correct',
  );
}

/** For the pool: a connection is ready once its settings are made. */
export function prepareSession({ statement_timeout: limit }: pg.ClientConfig) {
  return (connection: pg.Client, done: (error: Error | null, connection: pg.Client) => void): void => {
    endSilence(socketOf(connection), typeof limit === 'number' ? limit : undefined);
    connection.query(sessionSql).then(
      () => done(null, connection),
      (error) => done(error, connection),
    );
  };
}

/** The driver's own name for it, which is undocumented: every test with a server fails when an upgrade moves it. */
function socketOf(connection: pg.Client): Socket {
  const { connection: inner } = connection as unknown as {
    readonly connection?: { readonly stream?: unknown };
  };
  if (!(inner?.stream instanceof Socket)) throw new Error('the driver gave the connection no socket');
  return inner.stream;
}
