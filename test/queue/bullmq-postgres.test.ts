import type { EventEmitter } from 'node:events';
import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PostgresQueueBackend } from 'bullmq';
import { BullmqQueue } from '../../src/queue/bullmq.ts';
import { openStore } from '../../src/queue/open-store.ts';
import { describeSharedQueue, type QueueServer } from '../contract/shared-queue.ts';
import { makeCertificates } from '../support/certificates.ts';
import { createDatabase, startPostgres, type TestDatabase } from '../support/postgres.ts';
import { until } from './desk.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(async () => database.close());

const cutAll =
  "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'keyturn queue'";
const tables =
  "select relname from pg_class where relkind = 'r' and relnamespace = 'keyturn_queue'::regnamespace";

describeSharedQueue(
  'BullMQ on PostgreSQL',
  (): QueueServer => ({
    url: database.url,
    port: Number(new URL(database.url).port),
    losses: {
      'schema dropped': async () => {
        await database.exec('drop schema keyturn_queue cascade');
      },
      truncated: async () => {
        const names = (await database.exec(tables)).map(({ relname }) => `keyturn_queue.${relname}`);
        const held = names.filter((name) => !name.endsWith('.migration'));
        await database.exec(`truncate ${held.join(', ')} restart identity cascade`);
      },
    },
    connections: async () => {
      const [row] = await database.exec(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name ~ 'keyturn'",
      );
      return Number(row?.n);
    },
    contents: async () => {
      const names = (await database.exec(tables)).map(({ relname }) => String(relname));
      const rows = await Promise.all(
        names.map((name) =>
          database.exec(`select row_to_json(t)::text as row from keyturn_queue."${name}" t`),
        ),
      );
      return rows
        .flat()
        .map(({ row }) => row)
        .join('\n');
    },
  }),
);

test('sslmode=verify-full requires the CA and the name of the server', async () => {
  const server = await startPostgres();
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-tls-'));
  try {
    await makeCertificates(folder);
    const own = await createDatabase(server.url);
    const [{ data } = {}] = await own.exec("select current_setting('data_directory') as data");
    const { uid, gid } = statSync(String(data));
    for (const path of [folder, join(folder, 'server.key')]) chownSync(path, uid, gid);
    await own.exec(`alter system set ssl_cert_file = '${join(folder, 'server.pem')}'`);
    await own.exec(`alter system set ssl_key_file = '${join(folder, 'server.key')}'`);
    await own.exec('alter system set ssl = on');
    await own.exec('select pg_reload_conf()');
    const queue = async (host: string, query: string): Promise<void> => {
      const url = own.url.replace('127.0.0.1', host);
      await (await BullmqQueue.open(`${url}?${query}`)).close();
    };
    const ca = `sslrootcert=${join(folder, 'ca.pem')}`;
    await queue('127.0.0.1', `sslmode=verify-full&${ca}`);
    await queue('127.0.0.1', 'sslmode=require');
    const refused = { code: 'queue-unreachable', message: expect.stringMatching(/no encrypted connection/) };
    await expect(queue('127.0.0.1', 'sslmode=verify-full')).rejects.toMatchObject(refused);
    // The same server at an address that is not in the certificate; Node 22 takes 127.1 for 127.0.0.1
    await expect(queue('0.0.0.0', `sslmode=verify-full&${ca}`)).rejects.toMatchObject(refused);
    await queue('0.0.0.0', `sslmode=verify-ca&${ca}`);
    await own.close();
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
});

test('an error of the subscription that nobody listens to does not end the process', async () => {
  const opened = (await openStore(database.url, {})).openEvents();
  opened.it.on('error', () => undefined);
  await opened.it.waitUntilReady();
  try {
    const { connection } = opened.it.getBackend() as PostgresQueueBackend;
    const client = await connection.getListenClient();
    // As BullMQ does while it closes
    client.removeAllListeners();
    expect(() => (client as unknown as EventEmitter).emit('error', new Error('57P01'))).not.toThrow();
  } finally {
    await opened.close();
  }
});

test('a connection that is lost between two queries does not end the process', async () => {
  const store = await openStore(database.url, {});
  for (let i = 0; i < 60; i++) {
    const opened = [1, 2, 3].map(() => store.openJobs());
    // While it gets ready it holds a connection for several queries. An unhandled error fails this test.
    const ready = Promise.allSettled(
      opened.map(({ it }) => {
        it.on('error', () => undefined);
        return it.waitUntilReady();
      }),
    );
    await until(async () => (await database.exec(cutAll)).length > 0);
    await ready;
    await Promise.all(opened.map(({ close }) => close()));
  }
});
