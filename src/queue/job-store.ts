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

/** The name of the BullMQ queue. Several databases on one server need a different ?prefix= or ?queueSchema= each. */
export const queueName = 'keyturn-chunks';

/** The classes of BullMQ for both of its backends, whose connections differ. */
export type AnyBackend = BackendFactory<IQueueBackend, unknown>;
export type Jobs = Queue<Hint, void, string, Hint, void, string, IQueueBackend, unknown>;
export type JobEvents = QueueEvents<IQueueBackend, IQueueBackend, unknown>;
export type JobWorker = Worker<Hint, void, string, IQueueBackend, JobProgress, unknown>;
export type JobProcessor = Processor<Hint, void, string>;

export interface Opened<T> {
  readonly it: T;
  /** Does not wait for a server that is gone. */
  close(): Promise<void>;
}

/** Where BullMQ keeps its jobs: Redis or PostgreSQL. */
export interface JobStore {
  /** The address for people, without a password. */
  readonly place: string;
  /** Its commands fail immediately while the server is unreachable. */
  openJobs(): Opened<Jobs>;
  openEvents(): Opened<JobEvents>;
  /** Its commands wait while the server is unreachable. */
  openWorker(process: JobProcessor, options: Omit<WorkerOptions<unknown>, 'connection'>): Opened<JobWorker>;
  /** Creates the schema of the queue again if the error says that it is gone. */
  repair(error: unknown): Promise<void>;
}

export interface StoreOptions {
  /** Used if the URL has none. */
  readonly password?: string;
  /** Called at start with what the administrator of the server should change. */
  readonly warn?: (text: string) => void;
}

/** Rejects after `ms`: a server that hangs, or a driver that lost a command, counts as unreachable. */
export async function answered<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no response')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
