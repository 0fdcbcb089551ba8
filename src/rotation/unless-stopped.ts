import { KeyturnError } from '../error.ts';

/**
 * Waits for `work`, which writes nothing, until the user asks to stop.
 *
 * @param hint what the user does next
 * @throws KeyturnError `stopped`
 */
export async function unlessStopped<T>(
  signal: AbortSignal,
  work: Promise<T>,
  hint = 'nothing was changed',
): Promise<T> {
  let leave: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    leave = () => reject(new KeyturnError('stopped', `stopped by ${String(signal.reason)}`, { hint }));
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
