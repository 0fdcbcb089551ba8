import { KeyturnError } from '../error.ts';

/**
 * Waits for `work` until the user asks to stop. Then it goes on by itself, unheard.
 *
 * @param hint what the user does next
 * @param heedMs how long `work`, which knows of the request, may take to end in its own way
 * @throws KeyturnError `stopped`
 */
export async function unlessStopped<T>(
  signal: AbortSignal,
  work: Promise<T>,
  hint = 'nothing was changed',
  heedMs = 0,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    const leave = (): void =>
      reject(new KeyturnError('stopped', `stopped by ${String(signal.reason)}`, { hint }));
    stop = heedMs === 0 ? leave : () => (timer = setTimeout(leave, heedMs));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
