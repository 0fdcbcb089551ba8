import pino, { type Logger } from 'pino';
import { KeyturnError } from '../error.ts';

export type { Logger } from 'pino';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Log lines that are kept while the disk is full; more are dropped. */
const waitingBytes = 1024 * 1024;

/**
 * Off by default. A level without a file logs to stderr; a file without a level logs `info` and above.
 *
 * @param warn called once when writing fails: a run does not end because of its log.
 */
export function openLog(
  file: string | undefined,
  level: LogLevel | undefined,
  warn: (text: string) => void,
): Logger {
  try {
    const destination = pino.destination({ dest: file ?? 2, sync: true, maxLength: waitingBytes });
    let warned = false;
    destination.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (!warned) warn(`the log can no longer be written to ${file ?? 'stderr'}: ${code ?? message}`);
      warned = true;
    });
    return pino({ name: 'keyturn', level: level ?? (file === undefined ? 'silent' : 'info') }, destination);
  } catch (cause) {
    throw unwritten(file ?? 'stderr', cause);
  }
}

function unwritten(file: string, cause: unknown): KeyturnError {
  return new KeyturnError('bad-option', `the log cannot be written to ${file}`, {
    hint: 'use --log-file with a file in an existing folder that this user can write to',
    cause,
  });
}
