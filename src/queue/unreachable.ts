import { KeyturnError } from '../error.ts';

/** How long a queue may take to answer at start: a container may still be starting, an operator waits. */
export const patienceMs = 7_000;

/** What the user is told about a queue that cannot be used. The drivers' texts never hold a password (tested). */
export function unreachable(place: string, cause: unknown): KeyturnError {
  const text = describeTrouble(cause);
  const say = (what: string, hint: string): KeyturnError =>
    new KeyturnError('queue-unreachable', what, { hint, cause });
  if (isRefusal(cause))
    return say(`${place} did not accept the login (${text})`, 'check the user and the password of the queue');
  if (isTlsTrouble(cause))
    return say(`no encrypted connection to ${place}: ${text}`, 'check the scheme and the CA file');
  if (/NOPERM|permission denied/.test(text))
    return say(
      `the login of ${place} may not do enough: ${text}`,
      'Redis: ~prefix:* with +@all -@admin -@dangerous +info +client|list; PostgreSQL: create on the database, or a schema of its own',
    );
  return say(`cannot reach ${place}: ${text}`, 'is the server running, and are host and port right?');
}

/** Trying again mends nothing. */
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
  return message || errors?.[0]?.message || code || 'it does not answer';
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
