/**
 * An error of SQL Server, or of the connection to it. It replaces the driver's errors, whose messages quote values
 * (invariant 9).
 */
export class MssqlError extends Error {
  override readonly name = 'MssqlError';
  /** The driver's code: EREQUEST (an error of the server), ETIMEOUT, ESOCKET, ELOGIN… */
  readonly code: string;
  /** The number in sys.messages, the first of several; undefined: not an error of the server. */
  readonly number: number | undefined;
  /** Whether a statement timed out; false for a connection that did, and for a statement that could not be cancelled. */
  readonly timeout: boolean;

  constructor(message: string, code: string, number: number | undefined, timeout = false) {
    super(message);
    this.code = code;
    this.number = number;
    this.timeout = timeout;
  }
}

/**
 * Numbers whose message names objects, logins or limits, but never a value:
 * https://learn.microsoft.com/en-us/sql/relational-databases/errors-events/database-engine-events-and-errors
 */
const harmless = new Set([
  102, 156, 207, 208, 229, 230, 262, 297, 300, 306, 402, 447, 451, 468, 515, 544, 547, 701, 916, 1101, 1105,
  1204, 1205, 1222, 2714, 3701, 3902, 3903, 3906, 3930, 3960, 3961, 4060, 4922, 5074, 8152, 8622, 9002, 10928,
  10929, 18456, 40197, 40501, 40544, 40613, 49918, 49919, 49920,
]);

/** What the other numbers that occur here mean; their messages quote a value. */
const meanings: Readonly<Record<number, string>> = {
  245: 'a value does not convert to its column type',
  248: 'a value does not fit its integer column',
  2601: 'a unique index already contains this value',
  2627: 'a unique constraint already contains this value',
  2628: 'a value is too long for its column',
  8114: 'a value does not convert to its column type',
  8115: 'a value does not fit its numeric column',
};

interface Thrown {
  readonly message?: unknown;
  readonly code?: unknown;
  readonly number?: unknown;
  readonly errors?: readonly unknown[];
  /** The driver's, in an error of the pool. */
  readonly originalError?: unknown;
  readonly cause?: unknown;
}

/** Takes any error of the driver or the pool. By shape, since several copies of a class may exist. */
export function cleaned(error: unknown): unknown {
  if (typeof error !== 'object' || error === null || error instanceof MssqlError) return error;
  const { message, code, number, errors, originalError, cause } = error as Thrown;
  const first = errors?.[0];
  if (first !== undefined) return cleaned(first);
  if (originalError !== undefined && originalError !== error) return cleaned(originalError);
  if (typeof number === 'number') {
    // A login that was refused (login-refusal.ts), or a connection that was lost meanwhile; a login has no values
    if (typeof code === 'string' && code !== 'EREQUEST')
      return new MssqlError(`SQL Server error ${number}: ${message}`, code, number);
    return new MssqlError(messageOf(number, String(message)), 'EREQUEST', number);
  }
  // Of the driver: a lost connection, a parameter that it cannot send
  if (typeof code === 'string')
    return new MssqlError(
      code === 'EPARAM' ? 'the driver does not accept a parameter' : connecting(String(message), cause),
      code,
      undefined,
      code === 'ETIMEOUT' && /^Timeout: Request failed/.test(String(message)),
    );
  return error;
}

/** The driver says only that it could not connect; why, each address has its own reason. */
function connecting(message: string, cause: unknown): string {
  const { errors = [] } = (cause ?? {}) as Thrown;
  const reasons = [...new Set(errors.map((each) => String((each as Thrown).message)))];
  return reasons.length === 0
    ? message
    : message.replace(/Could not connect \((parallel|sequence)\)/, reasons.join('; '));
}

function messageOf(number: number, message: string): string {
  return `SQL Server error ${number}: ${harmless.has(number) ? message : (meanings[number] ?? 'its message is omitted, since it may quote a value')}`;
}
