import { parentPort, workerData } from 'node:worker_threads';
import type { Run } from '../checkpoint/run.ts';
import { KeyturnError } from '../error.ts';
import { Key, type SentKey } from '../keys/key.ts';
import type { Hint } from '../queue/queue.ts';
import { type FromThread, sendError } from '../queue/thread-pool.ts';
import { processName } from './process-name.ts';
import { ChunkWorker, type DatabaseAccess, type WorkerSettings } from './worker.ts';

/** WorkerSettings as they travel between threads: a Key does not. */
export type ThreadData = Omit<WorkerSettings, 'oldKey' | 'newKey'> & {
  readonly oldKey: SentKey | null;
  readonly newKey: SentKey;
};

/**
 * What the threads of this process that work on a run are given.
 *
 * @param keys `current` is null for a verification, which has one key.
 * @param local of a run that writes nothing to the database.
 */
export function threadData(
  { databaseUrl, databasePassword, attachments }: DatabaseAccess,
  run: Run,
  keys: { readonly current: Key | null; readonly next: Key },
  local: Pick<WorkerSettings, 'checkpointFile' | 'referenceRun'> = {
    checkpointFile: null,
    referenceRun: null,
  },
): ThreadData {
  return {
    databaseUrl,
    databasePassword,
    attachments,
    ...local,
    run: run.id,
    statementTimeoutMs: run.options.chunkTimeoutMs,
    worker: processName(),
    oldKey: keys.current?.sent() ?? null,
    newKey: keys.next.sent(),
  };
}

/** A worker elsewhere may see what this one does not. */
export function isForOthers(error: unknown): boolean {
  return error instanceof KeyturnError && error.code === 'attachments-unseen';
}

/** The life of a worker thread: serves hints until it is ended. Keys arrive in memory, from the same process. */
export async function serve(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('this module is the entry of a worker thread');
  const send = (message: FromThread): void => port.postMessage(message);
  const data = workerData as ThreadData;
  try {
    const keys = { oldKey: data.oldKey && Key.received(data.oldKey), newKey: Key.received(data.newKey) };
    const worker = await ChunkWorker.open({ ...data, ...keys }, (news) => send({ news }));
    port.on('message', (hint: Hint) => {
      worker.take(hint.chunk).then(
        () => send({ settled: hint.chunk }),
        (error: unknown) =>
          send(isForOthers(error) ? { handedBack: sendError(error) } : { broken: sendError(error) }),
      );
    });
    send({ ready: true });
  } catch (error) {
    send({ broken: sendError(error) });
  }
}
