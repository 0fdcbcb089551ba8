import pino, { type Logger } from 'pino';
import { KeyturnError } from '../error.ts';

export type { Logger } from 'pino';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Quiet unless asked: a level without a file logs to stderr, a file without a level logs from `info` up. */
export function openLog(file: string | undefined, level: LogLevel | undefined): Logger {
  try {
    const destination = pino.destination({ dest: file ?? 2, sync: true });
    return pino({ name: 'keyturn', level: level ?? (file === undefined ? 'silent' : 'info') }, destination);
  } catch (cause) {
    throw unwritten(file ?? 'stderr', cause);
  }
}

function unwritten(file: string, cause: unknown): KeyturnError {
  return new KeyturnError('bad-option', `the log cannot be written to ${file}`, {
    hint: 'name a file in an existing folder that this user may write, with --log-file',
    cause,
  });
}
