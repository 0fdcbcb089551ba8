import { parentPort, workerData } from 'node:worker_threads';
import type { Run } from '../../checkpoint/run.ts';
import { engineOf } from '../../databases/open.ts';
import { KeyturnError } from '../../error.ts';
import { Key, type SentKey } from '../../keys/key.ts';
import type { Hint } from '../../queue/queue.ts';
import { aliveMs, type FromThread, sendError } from '../../queue/thread-pool.ts';
import { processName } from '../process-name.ts';
import { ChunkWorker, type DatabaseAccess, type WorkerSettings } from './worker.ts';

/** WorkerSettings as they are sent to a thread: a Key cannot be sent as it is. */
export type ThreadData = Omit<WorkerSettings, 'oldKey' | 'newKey'> & {
  readonly oldKey: SentKey | null;
  readonly newKey: SentKey;
};

/**
 * The data for the worker threads of a run in this process.
 *
 * @param keys `current` is null for a verification, which has one key.
 * @param local for a run that writes nothing to the database.
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

/** Another worker may see the files that this one does not see. */
export function isForOthers(error: unknown): boolean {
  return error instanceof KeyturnError && error.code === 'attachments-unseen';
}

/** Runs a worker thread: takes hints until the thread is ended. Keys are passed in memory, within the process. */
export async function serve(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('this module is the entry of a worker thread');
  const send = (message: FromThread): void => port.postMessage(message);
  const data = workerData as ThreadData;
  const broken = (error: unknown): FromThread => ({
    broken: sendError(error, engineOf(data.databaseUrl).failures.isTransient(error)),
  });
  try {
    const keys = { oldKey: data.oldKey && Key.received(data.oldKey), newKey: Key.received(data.newKey) };
    const worker = await ChunkWorker.open({ ...data, ...keys }, (news) => send({ news }));
    port.on('message', (hint: Hint) => {
      worker.take(hint.chunk).then(
        () => send({ settled: hint.chunk }),
        (error: unknown) => send(isForOthers(error) ? { handedBack: sendError(error) } : broken(error)),
      );
    });
    setInterval(() => send({ alive: true }), aliveMs);
    send({ ready: true });
  } catch (error) {
    send(broken(error));
  }
}
