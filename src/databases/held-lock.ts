import { KeyturnError } from '../error.ts';
import { within } from '../within.ts';
import type { RunLock } from './database.ts';

const heartbeatMs = 3_000;
const answerMs = 10_000;
/** The server ends the lock with the connection, if not with this. */
const endMs = 2_000;

/** A lock on a server, held by a connection of its own that has to answer every few seconds. */
export class HeldLock implements RunLock {
  readonly lost: Promise<never>;
  #lose: (reason: unknown) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #end: () => Promise<void> = async () => undefined;

  constructor(place: string) {
    this.lost = new Promise<never>((_, reject) => {
      this.#lose = (cause) =>
        reject(
          new KeyturnError('run-lock', `the run lock of ${place} was lost`, {
            hint: 'continue with keyturn resume',
            cause,
          }),
        );
    });
    this.lost.catch(() => clearInterval(this.#timer));
  }

  lose(reason: unknown): void {
    this.#lose(reason);
  }

  /**
   * @param beat asks the server; rejects when this connection no longer holds the lock.
   * @param end releases the lock.
   */
  keep(beat: () => Promise<void>, end: () => Promise<void>): this {
    this.#end = end;
    let asked = false;
    this.#timer = setInterval(() => {
      if (asked) return;
      asked = true;
      withTimeout(beat())
        .then(() => {
          asked = false;
        })
        .catch(this.#lose);
    }, heartbeatMs).unref();
    return this;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await within(endMs, this.#end());
  }
}

export function lockedByAnother(place: string, cause?: unknown): KeyturnError {
  return new KeyturnError('run-lock', `another keyturn process is working on ${place}`, {
    hint: 'wait until it has finished, or find it with keyturn status',
    cause,
  });
}

/** A pooler answers from any of its connections (PgBouncer in transaction mode, ProxySQL). */
export function pooled(): Error {
  return new Error('a connection pooler shares the connection: connect to the server directly');
}

function withTimeout<T>(answer: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(
      () => reject(new Error('Connection terminated: the server does not answer')),
      answerMs,
    ).unref();
  });
  return Promise.race([answer, late]);
}
