import { type RedisServer, startRedis } from '../support/redis.ts';
import { type CuttingProxy, startCuttingProxy } from './cutting-proxy.ts';
import type { Ground } from './grounds.ts';

/** How the chunks are handed out. */
export interface Hands {
  /** For keyturn; null: worker threads of the coordinator. */
  readonly url: string | null;
  /** For the storm's own hints. */
  readonly direct: string | null;
  readonly redis: RedisServer | null;
  readonly proxy: CuttingProxy | null;
  /** Connections to a server of its own, the one that asks left out. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export type Queue = (ground: Ground) => Promise<Hands>;

/** Writes everything to disk: it comes back with its data. */
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

/** Its connections are the database's. */
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
