import type { Socket } from 'node:net';

/** A server that is reached is heard of within so long after its own limit for a statement. */
const marginMs = 15_000;
/** After so long without a word on a quiet connection, the kernel asks the other side; it gives up ten seconds later. */
export const keepAliveMs = 10_000;

/**
 * Ends a connection whose server says nothing at all although a statement was sent: a network that drops packets closes no
 * socket, and the kernel sends again for a quarter of an hour.
 *
 * @param statementTimeoutMs the server's own limit for a statement; without one, a long silence may be right
 */
export function endSilence(socket: Socket, statementTimeoutMs: number | undefined): void {
  if (statementTimeoutMs === undefined) return;
  const longest = statementTimeoutMs + marginMs;
  let answered = { read: socket.bytesRead, at: performance.now() };
  let sent = socket.bytesWritten;
  let waiting = false;
  const timer = setInterval(() => {
    if (socket.bytesRead !== answered.read) {
      answered = { read: socket.bytesRead, at: performance.now() };
      waiting = false;
    }
    if (socket.bytesWritten !== sent) {
      sent = socket.bytesWritten;
      if (!waiting) answered = { ...answered, at: performance.now() };
      waiting = true;
    }
    if (!waiting || performance.now() - answered.at < longest) return;
    socket.destroy(new Error('Connection terminated: the server does not answer'));
  }, 1_000);
  timer.unref();
  socket.once('close', () => clearInterval(timer));
}
