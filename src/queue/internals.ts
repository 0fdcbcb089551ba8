import type { Cluster, Redis } from 'ioredis';
import type { JobWorker } from './job-store.ts';

/*
 * What keyturn uses of BullMQ and ioredis beyond what they document. test/queue/internals.test.ts fails when an upgrade
 * moves any of it. What it uses of BullMQ's connections to PostgreSQL is in postgres-store.ts.
 */

/** Stops renewing the locks of the jobs that a worker still has. BullMQ itself does so only after everything is closed. */
export async function stopLockRenewal(worker: JobWorker): Promise<void> {
  // biome-ignore lint/complexity/useLiteralKeys: the member is protected
  await worker['lockManager'].close();
}

/**
 * The client and the copies that BullMQ makes of it. BullMQ duplicates a client for blocking commands, and cannot close
 * the copy while Redis is unreachable.
 */
export function withItsCopies<T extends Redis | Cluster>(client: T): readonly T[] {
  const clients = [client];
  const duplicate = client.duplicate.bind(client) as (...args: unknown[]) => T;
  const watched = (...args: unknown[]): T => {
    const copy = duplicate(...args);
    copy.on('error', () => undefined);
    clients.push(copy);
    return copy;
  };
  Object.assign(client, { duplicate: watched });
  // BullMQ emits the same errors itself.
  client.on('error', () => undefined);
  return clients;
}

/** Lets the copies of a client that never connects itself (`lazyConnect`) connect like other clients. */
export function connectCopies(client: Redis | Cluster): void {
  client.options.lazyConnect = false;
}

/** Ends a client. A command that is cut off never gets a response: BullMQ gives up waiting and would connect again. */
export function endForGood(client: Redis | Cluster): void {
  client.disconnect();
  Object.assign(client, { connect: async () => Promise.reject(new Error('closed')) });
}

/** Whether a command failed because there is no connection; ioredis has no codes for this. */
export function isOffline(error: unknown): boolean {
  return /isn't writeable|Connection is closed|Command timed out/i.test((error as Error).message);
}
