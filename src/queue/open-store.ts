import type { JobStore, StoreOptions } from './job-store.ts';
import { parseQueueUrl } from './queue-url.ts';

/** Parses the URL and connects to the server. Throws `queue-url`, or `queue-unreachable` within ten seconds. */
export async function openStore(url: string, options: StoreOptions): Promise<JobStore> {
  const parsed = parseQueueUrl(url);
  // Loaded here, because BullMQ takes time to load and most runs have no queue.
  return parsed.engine === 'redis'
    ? (await import('./redis-store.ts')).openRedisStore(parsed, options)
    : (await import('./postgres-store.ts')).openPostgresStore(parsed, options);
}
