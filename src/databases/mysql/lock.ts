import { createHash } from 'node:crypto';
import mysql from 'mysql2/promise';
import type { RunLock } from '../database.ts';
import { HeldLock, lockedByAnother, pooled } from '../held-lock.ts';
import type { ReachedServer } from './session.ts';

/**
 * A named lock of a session, on a connection of its own: it outlasts transactions, and ends with the process however that
 * ends.
 * https://dev.mysql.com/doc/refman/8.4/en/locking-functions.html
 */
export async function lockMysql({ config, sessionSql }: ReachedServer, place: string): Promise<RunLock> {
  const connection = await mysql.createConnection(config);
  const lock = new HeldLock(place);
  connection.on('error', (error) => lock.lose(error));
  const name = await acquire(connection, sessionSql, place).catch(async (error) => {
    await connection.end().catch(() => connection.destroy());
    throw error;
  });
  const ended = (): void => lock.lose(new Error('Connection terminated'));
  connection.on('end', ended);
  return lock.keep(
    () => beat(connection, name),
    async () => {
      connection.removeListener('end', ended);
      await connection.query('do release_lock(?)', [name]).catch(() => undefined);
      await connection.end().catch(() => connection.destroy());
    },
  );
}

/** Names of locks are shared by the whole server and have at most 64 characters: this one contains the database. */
async function acquire(
  connection: mysql.Connection,
  sessionSql: readonly string[],
  place: string,
): Promise<string> {
  for (const sql of sessionSql) await connection.query(sql);
  const [[at]] = await connection.query<mysql.RowDataPacket[]>('select database() as name');
  const name = `keyturn-run-${createHash('sha256').update(String(at?.name)).digest('hex').slice(0, 40)}`;
  const [[answer]] = await connection.query<mysql.RowDataPacket[]>('select get_lock(?, 0) as held', [name]);
  if (Number(answer?.held) === 1) return name;
  throw lockedByAnother(place);
}

/** If another connection answers, a pooler is in between, and the lock does not protect the run. */
async function beat(connection: mysql.Connection, name: string): Promise<void> {
  const [[answer]] = await connection.query<mysql.RowDataPacket[]>(
    'select is_used_lock(?) = connection_id() as ours',
    [name],
  );
  if (Number(answer?.ours) !== 1) throw pooled();
}
