import type { JobStore, StoreOptions } from './job-store.ts';
import { openPostgresStore } from './postgres-store.ts';
import { parseQueueUrl } from './queue-url.ts';
import { openRedisStore } from './redis-store.ts';

/** Parses the URL and tries the server; `queue-unreachable` within ten seconds. */
export async function openStore(url: string, options: StoreOptions): Promise<JobStore> {
  const parsed = parseQueueUrl(url);
  return parsed.engine === 'redis' ? openRedisStore(parsed, options) : openPostgresStore(parsed, options);
}
