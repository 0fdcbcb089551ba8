/** Node's network errors: the server, or the way to it, is gone for now. */
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

/** Whether an error or a cause of it is such a one. By shape, not by class: another realm's Error (a worker's, a test's) is no instance of this one's. */
export function causedBy(error: unknown, such: (at: ErrorShape) => boolean): boolean {
  for (let at = error; typeof at === 'object' && at !== null; at = (at as { cause?: unknown }).cause)
    if (such(at)) return true;
  return false;
}
