import { type RedisServer, startRedis } from '../support/redis.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';
import type { Ground } from './grounds.ts';

/** The queue that hands out the chunks. */
export interface Hands {
  /** The URL for keyturn; null for worker threads of the coordinator. */
  readonly url: string | null;
  /** The URL for hints that the test offers itself. */
  readonly direct: string | null;
  readonly redis: RedisServer | null;
  readonly proxy: CuttingProxy | null;
  /** The number of connections to the queue's own server, without the one that asks. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export type Queue = (ground: Ground) => Promise<Hands>;

/** Writes everything to disk, so that a restart keeps the data. */
export const redis: Queue = async () => {
  const server = await startRedis({ config: ['appendonly yes', 'appendfsync always'] });
  const proxy = await startCuttingProxy(server.port);
  return {
    url: `redis://127.0.0.1:${proxy.port}`,
    direct: server.url,
    redis: server,
    proxy,
    connections: async () => (await server.cli('client', 'list')).split('\n').length - 1,
    async close() {
      await proxy.close();
      await server.stop();
    },
  };
};

/** Its connections are counted with those of the database. */
export const sameDatabase: Queue = async ({ url, place }) => ({
  ...threadsOnly,
  url,
  direct: place.url,
});

export const threads: Queue = async () => threadsOnly;

const threadsOnly: Hands = {
  url: null,
  direct: null,
  redis: null,
  proxy: null,
  connections: async () => 0,
  close: async () => undefined,
};
