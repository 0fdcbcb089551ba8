import type { ChunkNews } from '../../chunk/chunk-news.ts';
import type { Logger } from '../../terminal/log.ts';

const levels = {
  rotated: 'info',
  verified: 'info',
  nothing: 'debug',
  retried: 'warn',
  failed: 'error',
} as const;

/** Writes one line per chunk to the log. */
export function logChunk(log: Logger, { event, ...facts }: ChunkNews): void {
  log[levels[event]](facts, `chunk ${event}`);
}
