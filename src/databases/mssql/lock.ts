import { once } from 'node:events';
import { Connection, type ConnectionConfiguration } from 'tedious';
import type { RunLock } from '../database.ts';
import { HeldLock, lockedByAnother, pooled } from '../held-lock.ts';
import { cleaned } from './error.ts';
import { isClosed } from './internals.ts';
import { keepReason } from './login-refusal.ts';
import { ask } from './request.ts';

/** Names belong to a database. A schema is identified by its number, however its name was spelled. */
const name = `concat('keyturn/run-lock/', schema_id(@p0))`;

/**
 * A *session* lock on a connection of its own: it outlasts transactions, and ends with the process however that ends.
 * https://learn.microsoft.com/en-us/sql/relational-databases/system-stored-procedures/sp-getapplock-transact-sql
 */
export async function lockMssql(
  config: ConnectionConfiguration,
  schema: string,
  place: string,
): Promise<RunLock> {
  const { options } = config;
  const connection = new Connection({
    ...config,
    options: { ...options, appName: `${options?.appName} run lock`, requestTimeout: 0 },
  });
  keepReason(connection);
  const lock = new HeldLock(place);
  connection.on('error', (error) => lock.lose(cleaned(error)));
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(cleaned(error)) : resolve()));
  });
  await acquire(connection, schema, place).catch(async (error) => {
    await close(connection);
    throw error;
  });
  const ended = (): void => lock.lose(new Error('Connection terminated'));
  connection.on('end', ended);
  return lock.keep(
    () => beat(connection, schema),
    async () => {
      connection.removeListener('end', ended);
      await close(connection);
    },
  );
}

async function acquire(connection: Connection, schema: string, place: string): Promise<void> {
  const { rows } = await ask(
    connection,
    `declare @name nvarchar(255) = ${name}, @result int;
    exec @result = sp_getapplock @Resource = @name, @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0;
    select @result`,
    [schema],
  );
  // 0 and 1: granted
  if (Number(rows[0]?.[0]) >= 0) return;
  throw lockedByAnother(place);
}

async function beat(connection: Connection, schema: string): Promise<void> {
  const { rows } = await ask(connection, `select applock_mode('public', ${name}, 'Session')`, [schema]);
  if (rows[0]?.[0] !== 'Exclusive') throw pooled();
}

async function close(connection: Connection): Promise<void> {
  if (isClosed(connection)) return;
  const ended = once(connection, 'end');
  connection.close();
  await ended;
}
