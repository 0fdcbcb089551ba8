import type { ChunkNews } from '../chunk/chunk-news.ts';
import { BullmqQueue } from '../queue/bullmq.ts';
import { type Consumer, consume } from '../queue/consumer.ts';
import { LocalQueue } from '../queue/local.ts';
import type { Queue } from '../queue/queue.ts';
import { Crew } from './workers/crew.ts';
import type { ThreadData } from './workers/thread.ts';

/** How the chunks of a run are distributed. */
export interface QueueSite {
  /** Module that a worker thread runs. */
  readonly workerEntry: URL;
  /** Number of worker threads in this process; 0: only `keyturn worker` processes do the work. */
  readonly workers: number;
  /** The queue of BullMQ; default: the worker threads of this process, without a server. */
  readonly queue?: { readonly url: string; readonly password: string | null };
  /** Called for every chunk that a thread of this process took. */
  readonly news?: (news: ChunkNews) => void;
  /** Called with what the queue's administrator should change, and with problems during the run. */
  readonly warn?: (text: string) => void;
}

/** The queue of a run, with the worker threads of this process as consumers. Throws `queue-url`, `queue-unreachable`. */
export async function openRunQueue(site: QueueSite, data: ThreadData): Promise<Queue> {
  const { queue, news = () => undefined, workers, workerEntry, warn = () => undefined } = site;
  if (queue === undefined)
    return LocalQueue.start(workerEntry, data, workers, (message) => news(message as ChunkNews));
  const password = queue.password === null ? {} : { password: queue.password };
  const opened = await BullmqQueue.open(queue.url, { ...password, warn });
  if (workers === 0) return opened;
  const crew = new Crew(workerEntry, workers, async () => data, news);
  try {
    const options = {
      ...password,
      concurrency: workers,
      onError: (error: Error) => warn(error.message),
      graceMs: 1_000,
    };
    const consumer = await consume(queue.url, options, async (hint) => {
      // Other coordinators may share the queue; their hints are not for this process
      if (hint.run !== data.run) throw new Error(`run ${hint.run} is not run ${data.run}`);
      await crew.take(hint);
    });
    consumer.ended.catch((error: Error) => warn(error.message));
    return withCrew(opened, consumer, crew);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** The same queue; closing it ends the threads too. */
function withCrew(queue: Queue, consumer: Consumer, crew: Crew): Queue {
  return {
    place: queue.place,
    backlog: queue.backlog,
    offer: (hints) => queue.offer(hints),
    settled: (ms) => queue.settled(ms),

    waiting: () => queue.waiting(),
    intact: () => queue.intact(),
    drain: () => queue.drain(),
    async close() {
      await consumer.close();
      await crew.close();
      await queue.close();
    },
  };
}
