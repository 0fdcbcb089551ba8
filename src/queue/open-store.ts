import type { JobStore, StoreOptions } from './job-store.ts';
import { parseQueueUrl } from './queue-url.ts';

/** Parses the URL and tries the server; `queue-unreachable` within ten seconds. */
export async function openStore(url: string, options: StoreOptions): Promise<JobStore> {
  const parsed = parseQueueUrl(url);
  // Loaded here: without a queue nobody waits for BullMQ
  return parsed.engine === 'redis'
    ? (await import('./redis-store.ts')).openRedisStore(parsed, options)
    : (await import('./postgres-store.ts')).openPostgresStore(parsed, options);
}
