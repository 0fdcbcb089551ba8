import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits for the end of something at most so long: a server that is silent must not keep a command from ending. Whether the
 * work succeeded is not asked; null: it did not, or not in time.
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  const timer = new AbortController();
  const late = sleep(ms, null, { signal: timer.signal }).catch(() => null);
  const result = await Promise.race([work.catch(() => null), late]);
  timer.abort();
  return result;
}
