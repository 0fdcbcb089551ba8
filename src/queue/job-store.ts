import type {
  BackendFactory,
  IQueueBackend,
  JobProgress,
  Processor,
  Queue,
  QueueEvents,
  Worker,
  WorkerOptions,
} from 'bullmq';
import type { Hint } from './queue.ts';

/** BullMQ's name of the queue. Several databases on one server are kept apart by ?prefix= or ?queueSchema=. */
export const queueName = 'keyturn-chunks';

/** BullMQ's classes over either of its backends; what a connection is differs between them. */
export type AnyBackend = BackendFactory<IQueueBackend, unknown>;
export type Jobs = Queue<Hint, void, string, Hint, void, string, IQueueBackend, unknown>;
export type JobEvents = QueueEvents<IQueueBackend, IQueueBackend, unknown>;
export type JobWorker = Worker<Hint, void, string, IQueueBackend, JobProgress, unknown>;
export type JobProcessor = Processor<Hint, void, string>;

export interface Opened<T> {
  readonly it: T;
  /** Never waits for a server that is gone. */
  close(): Promise<void>;
}

/** Where BullMQ keeps its jobs: Redis or PostgreSQL, written from what keyturn needs of either. */
export interface JobStore {
  /** For people: no password. */
  readonly place: string;
  /** Its commands fail at once while the server is out of reach. */
  openJobs(): Opened<Jobs>;
  openEvents(): Opened<JobEvents>;
  /** Its commands wait while the server is out of reach. */
  openWorker(process: JobProcessor, options: Omit<WorkerOptions<unknown>, 'connection'>): Opened<JobWorker>;
  /** Makes again what a wipe took, if the error says that it did. */
  mend(error: unknown): Promise<void>;
}

export interface StoreOptions {
  /** Used where the URL has none. */
  readonly password?: string;
  /** Told at start what the server's administrator should change. */
  readonly warn?: (text: string) => void;
}

/** For closing: what does not end in time is left to end with the process. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  await answered(ms, work).catch(() => undefined);
}

/** A server that hangs, or a driver that forgot a command, counts as out of reach. */
export async function answered<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it does not answer')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
