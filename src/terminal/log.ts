import pino, { type Logger } from 'pino';
import { KeyturnError } from '../error.ts';

export type { Logger } from 'pino';

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Lines that a full disk keeps waiting; beyond it they are dropped. */
const waitingBytes = 1024 * 1024;

/**
 * Quiet unless asked: a level without a file logs to stderr, a file without a level logs from `info` up.
 *
 * @param warn told once when lines cannot be written any more: a run does not end for its log.
 */
export function openLog(
  file: string | undefined,
  level: LogLevel | undefined,
  warn: (text: string) => void,
): Logger {
  try {
    const destination = pino.destination({ dest: file ?? 2, sync: true, maxLength: waitingBytes });
    let told = false;
    destination.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (!told) warn(`the log cannot be written to ${file ?? 'stderr'} any more: ${code ?? message}`);
      told = true;
    });
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
