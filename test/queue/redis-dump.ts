import type { RedisServer } from '../support/redis.ts';

const readers: Readonly<Record<string, readonly string[]>> = {
  string: ['get', '%'],
  hash: ['hgetall', '%'],
  list: ['lrange', '%', '0', '-1'],
  set: ['smembers', '%'],
  zset: ['zrange', '%', '0', '-1', 'withscores'],
  stream: ['xrange', '%', '-', '+'],
};

/** All keys with their content. */
export async function dump(redis: RedisServer): Promise<string> {
  const keys = (await redis.cli('--scan')).split('\n').filter((key) => key !== '');
  const texts = await Promise.all(
    keys.map(async (key) => {
      // The type is `none` if the key is gone already.
      const reader = readers[await redis.cli('type', key)];
      const value =
        reader === undefined ? '' : await redis.cli(...reader.map((part) => (part === '%' ? key : part)));
      return `${key}\n${value}`;
    }),
  );
  return texts.join('\n');
}
