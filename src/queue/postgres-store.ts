import { setTimeout as sleep } from 'node:timers/promises';
import {
  assertSchemaCompatibility,
  createPostgresBackend,
  Queue,
  QueueEvents,
  runMigrations,
  SchemaMigrationRequiredError,
  Worker,
} from 'bullmq';
import pg from 'pg';
import { lacksTls, postgresTls } from '../tls.ts';
import { within } from '../within.ts';
import { type AnyBackend, type JobStore, type Opened, queueName, type StoreOptions } from './job-store.ts';
import { describeQueueUrl, type PostgresQueueUrl } from './queue-url.ts';
import { isHopeless, patienceMs, unreachable } from './unreachable.ts';

/** BullMQ makes the client of its subscription (LISTEN) from the module `pg`, and not from the configuration. */
const backend = ((...of: Parameters<typeof createPostgresBackend>) => {
  const made = createPostgresBackend(...of);
  Object.assign(made.connection, { pgModule: { ...pg, Client: CalmClient } });
  return made;
}) as unknown as AnyBackend;

export async function openPostgresStore(url: PostgresQueueUrl, options: StoreOptions): Promise<JobStore> {
  const place = describeQueueUrl(url);
  const config = await configOf(url, options.password);
  try {
    return new PostgresStore(url, await reach(config, url));
  } catch (error) {
    throw unreachable(place, error);
  }
}

/**
 * BullMQ does not listen to the errors of a client that it has taken out of the pool, nor to those of its subscription's
 * client while that connects and closes. If the connection is lost then, such an error would end the process. The next
 * query fails anyway. That BullMQ passes `Client` on to its pool, and where it keeps `pgModule`, is not documented:
 * test/queue/bullmq-postgres.test.ts fails when an upgrade changes it.
 */
class CalmClient extends pg.Client {
  override emit(event: string | symbol, ...details: unknown[]): boolean {
    if (event === 'error' && this.listenerCount('error') === 0) return false;
    return super.emit(event as 'error', ...(details as [Error]));
  }
}

class PostgresStore implements JobStore {
  readonly place: string;
  readonly #url: PostgresQueueUrl;
  readonly #config: pg.ClientConfig;

  constructor(url: PostgresQueueUrl, config: pg.ClientConfig) {
    this.place = describeQueueUrl(url);
    this.#url = url;
    this.#config = config;
  }

  openJobs(): ReturnType<JobStore['openJobs']> {
    return this.#open({ max: 2, query_timeout: 10_000 }, (base) => new Queue(queueName, base, backend));
  }

  openEvents(): ReturnType<JobStore['openEvents']> {
    return this.#open({ max: 1 }, (base) => new QueueEvents(queueName, base, backend));
  }

  openWorker(...[process, options]: Parameters<JobStore['openWorker']>): ReturnType<JobStore['openWorker']> {
    return this.#open({ max: 3 }, (base) => new Worker(queueName, process, { ...options, ...base }, backend));
  }

  async repair(error: unknown): Promise<void> {
    const { code } = error as { code?: unknown };
    // The schema, a table, a function or a type is gone.
    if (error instanceof SchemaMigrationRequiredError || /^(3F000|42P01|42883|42704)$/.test(String(code)))
      await prepare(this.#config, this.#url.schema);
  }

  #open<T extends { close(): Promise<void>; disconnect(): Promise<unknown> }>(
    pool: pg.PoolConfig,
    make: (base: { connection: unknown }) => T,
  ): Opened<T> {
    const it = make({
      connection: {
        ...this.#config,
        ...pool,
        Client: CalmClient,
        schema: this.#url.schema,
        skipVersionCheck: true,
      },
    });
    return {
      it,
      close: async () => {
        await within(2_000, it.close());
        await within(1_000, it.disconnect());
      },
    };
  }
}

/** Connects, creates the tables of BullMQ if necessary, and returns the configuration that worked. */
async function reach(config: pg.ClientConfig, url: PostgresQueueUrl): Promise<pg.ClientConfig> {
  const giveUpAt = performance.now() + patienceMs;
  let tried = config;
  for (;;) {
    try {
      await prepare(tried, url.schema);
      return tried;
    } catch (error) {
      if (url.sslMode === 'prefer' && lacksTls(error)) tried = { ...tried, ssl: false };
      else if (isHopeless(error) || !isPassing(error) || performance.now() > giveUpAt) throw error;
      else await sleep(500);
    }
  }
}

/** Only reads if the tables exist: the database user of a worker needs no permission to create them. */
async function prepare(config: pg.ClientConfig, schema: string): Promise<void> {
  const client = new pg.Client(config);
  client.on('error', () => undefined);
  try {
    await client.connect();
    const [row] = (await client.query("select current_setting('server_version_num')::int as version")).rows;
    if (row.version < 130_000) throw new Error('the queue needs PostgreSQL 13 or later');
    await assertSchemaCompatibility(client, schema, { skipVersionCheck: true }).catch(async (error) => {
      if (!(error instanceof SchemaMigrationRequiredError) && error?.code !== '3F000') throw error;
      await runMigrations(client, schema, { skipVersionCheck: true });
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The server is not available yet: no connection, still starting, or too many clients. */
function isPassing(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return /^(E[A-Z]+|57P0.|53300)$/.test(code) || /timeout|terminated/i.test(message);
}

async function configOf(
  { url, sslMode, tls }: PostgresQueueUrl,
  password: string | undefined,
): Promise<pg.ClientConfig> {
  const complete = new URL(url);
  if (complete.password === '' && password !== undefined) complete.password = encodeURIComponent(password);
  const ssl = await postgresTls(sslMode, tls, 'queue');
  return {
    connectionString: complete.href,
    ...(ssl !== false && { ssl }),
    application_name: 'keyturn queue',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  };
}
