import { KeyturnError } from '../error.ts';

/** How long to try a queue at start: its container may still be starting, but an operator is waiting. */
export const patienceMs = 7_000;

/** The error for a queue that cannot be used. The messages of the drivers never contain a password (tested). */
export function unreachable(place: string, cause: unknown): KeyturnError {
  const text = describeTrouble(cause);
  const error = (message: string, hint: string): KeyturnError =>
    new KeyturnError('queue-unreachable', message, { hint, cause });
  if (isRefusal(cause))
    return error(`${place} rejected the login (${text})`, 'check the user and the password of the queue');
  if (isTlsTrouble(cause))
    return error(`no encrypted connection to ${place}: ${text}`, 'check the scheme and the CA file');
  if (/NOPERM|permission denied/.test(text))
    return error(
      `the user of ${place} does not have enough permissions: ${text}`,
      'grant on Redis: ~prefix:* with +@all -@admin -@dangerous +info +client|list; on PostgreSQL: CREATE on the database, or a schema of its own',
    );
  return error(
    `cannot reach ${place}: ${text}`,
    'check that the server is running and that host and port are correct',
  );
}

/** Trying again would not help. */
export function isHopeless(error: unknown): boolean {
  return isRefusal(error) || isTlsTrouble(error) || /NOPERM|permission denied/.test(describeTrouble(error));
}

export function describeTrouble(error: unknown): string {
  if (typeof error === 'string') return error;
  const { message, code, lastNodeError, errors } = (error ?? {}) as {
    message?: string;
    code?: string;
    lastNodeError?: Error;
    errors?: Error[];
  };
  if (lastNodeError !== undefined) return describeTrouble(lastNodeError);
  return message || errors?.[0]?.message || code || 'no response';
}

function isRefusal(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as { code?: unknown };
  return (
    /WRONGPASS|NOAUTH|AUTH failed|invalid password|password must be/i.test(describeTrouble(error)) ||
    (typeof code === 'string' && /^(28|3D)/.test(code))
  );
}

function isTlsTrouble(error: unknown): boolean {
  const { code = '' } = (error ?? {}) as { code?: unknown };
  return /certificate|self.signed|SSL|TLS|wrong version number|altname/i.test(
    `${describeTrouble(error)} ${String(code)}`,
  );
}
