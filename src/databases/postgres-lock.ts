import { createHash } from 'node:crypto';
import pg from 'pg';
import { KeyturnError } from '../error.ts';
import type { RunLock } from './database.ts';

const heartbeatMs = 3_000;
const answerMs = 10_000;

/**
 * A *session* lock on a connection of its own: it outlives transactions and dies with the process, whatever kills it.
 * https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export async function lockPostgres(config: pg.ClientConfig, schema: string, place: string): Promise<RunLock> {
  const client = new pg.Client({ ...config, application_name: `${config.application_name} run lock` });
  let lose: (reason: Error) => void = () => undefined;
  const lost = new Promise<never>((_, reject) => {
    lose = (cause) =>
      reject(
        new KeyturnError('run-lock', `the run lock of ${place} was lost`, {
          hint: 'start again with keyturn resume',
          cause,
        }),
      );
  });
  lost.catch(() => undefined);
  client.on('error', lose);
  await client.connect();
  const backend = await acquire(client, schema, place).catch(async (error) => {
    await client.end();
    throw error;
  });
  client.on('end', () => lose(new Error('Connection terminated')));
  const timer = setInterval(() => void beat(client, backend).catch(lose), heartbeatMs).unref();
  lost.catch(() => clearInterval(timer));
  return {
    lost,
    async release() {
      clearInterval(timer);
      client.removeAllListeners('end');
      await client.end();
    },
  };
}

/** Advisory locks are per database, so the key needs to tell schemas apart, no more. */
function lockKey(schema: string): string {
  return createHash('sha256').update(`keyturn/run-lock/${schema}`).digest().readBigInt64BE().toString();
}

async function acquire(client: pg.Client, schema: string, place: string): Promise<number> {
  const answer = await client.query<{ held: boolean; backend: number }>(
    'select pg_try_advisory_lock($1::bigint) as held, pg_backend_pid() as backend',
    [lockKey(schema)],
  );
  const row = answer.rows[0];
  if (row?.held) return row.backend;
  throw new KeyturnError('run-lock', `another keyturn process is working on ${place}`, {
    hint: 'wait for it, or find it with keyturn status',
  });
}

/** Another backend answering means a pooler that shares connections (pgbouncer's transaction mode): the lock is not ours alone. */
async function beat(client: pg.Client, backend: number): Promise<void> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error('Connection terminated: the server does not answer')),
      answerMs,
    ).unref();
  });
  const answer = await Promise.race([
    client.query<{ backend: number }>('select pg_backend_pid() as backend'),
    late,
  ]);
  if (answer.rows[0]?.backend !== backend)
    throw new Error('the connection is shared by a pooler: connect to the server itself');
}
