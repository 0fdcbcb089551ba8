/** What an error of a driver or a server means, whatever keyturn was doing. */
export interface Failures {
  /** A deadlock, a lock wait, a lost connection, a serialization failure: the whole transaction may be tried again. */
  isTransient(error: unknown): boolean;
  /** The wait for a lock of another session was too long; also transient. */
  isLocked(error: unknown): boolean;
  /** The login lacks a privilege that the statement needs. */
  isDenied(error: unknown): boolean;
  /** A statement took longer than `statementTimeoutMs`: fewer rows at once may succeed. */
  isTimeout(error: unknown): boolean;
  /** A table does not exist. */
  isMissingTable(error: unknown): boolean;
  /** A disk is full. */
  isDiskFull(error: unknown): boolean;
}

/** Node's network errors: the server cannot be reached at the moment. */
export const networkCodes: readonly string[] = [
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
];

export interface ErrorShape {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly number?: unknown;
  readonly message?: unknown;
}

/**
 * Whether an error, or one of its causes, satisfies the condition. By shape, not by class: an error of another realm
 * (a worker, a test) is not an instance of this realm's Error.
 */
export function causedBy(error: unknown, condition: (at: ErrorShape) => boolean): boolean {
  for (let at = error; typeof at === 'object' && at !== null; at = (at as { cause?: unknown }).cause)
    if (condition(at)) return true;
  return false;
}
