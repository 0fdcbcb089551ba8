import { afterAll, beforeAll } from '@jest/globals';
import { describeSharedQueue, type QueueServer } from '../contract/shared-queue.ts';
import { needing } from '../support/needing.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { dump } from './redis-dump.ts';

let redis: RedisServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => redis.stop());

needing('redis-server').describe('a server of its own', () => {
  describeSharedQueue(
    'BullMQ on Redis',
    (): QueueServer => ({
      url: redis.url,
      port: redis.port,
      losses: {
        flushed: async () => {
          await redis.cli('flushall');
        },
        'restarted without data': async () => {
          await redis.kill();
          await redis.restart();
        },
      },
      connections: async () => {
        const list = await redis.cli('client', 'list');
        return list.split('\n').filter((line) => !/lib-name= |cmd=client\|list/.test(line)).length;
      },
      contents: () => dump(redis),
    }),
  );
});
