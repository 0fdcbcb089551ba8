import { createHash } from 'node:crypto';
import pg from 'pg';
import type { RunLock } from '../database.ts';
import { HeldLock, lockedByAnother, pooled } from '../held-lock.ts';

/**
 * A *session* lock on a connection of its own: it outlasts transactions, and ends with the process however that ends.
 * https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
export async function lockPostgres(config: pg.ClientConfig, schema: string, place: string): Promise<RunLock> {
  const client = new pg.Client({ ...config, application_name: `${config.application_name} run lock` });
  const lock = new HeldLock(place);
  client.on('error', (error) => lock.lose(error));
  await client.connect();
  const backend = await acquire(client, schema, place).catch(async (error) => {
    await client.end();
    throw error;
  });
  client.on('end', () => lock.lose(new Error('Connection terminated')));
  return lock.keep(
    () => beat(client, backend),
    async () => {
      client.removeAllListeners('end');
      await client.end();
    },
  );
}

/** Advisory locks belong to a database, so the key only has to differ between schemas. */
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
  throw lockedByAnother(place);
}

/** If another backend answers, a pooler is in between, and the lock does not protect the run. */
async function beat(client: pg.Client, backend: number): Promise<void> {
  const answer = await client.query<{ backend: number }>('select pg_backend_pid() as backend');
  if (answer.rows[0]?.backend !== backend) throw pooled();
}
