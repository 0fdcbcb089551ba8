import type { Run } from '../checkpoint/run.ts';
import type { ChunkNews } from '../chunk/chunk-news.ts';
import { KeyturnError } from '../error.ts';
import type { Health } from '../metrics/health.ts';
import { RunMetrics } from '../metrics/run-metrics.ts';
import { count as counted } from '../report/count.ts';
import { admit } from '../rotation/admission.ts';
import { processName } from '../rotation/process-name.ts';
import { QueueWorker } from '../rotation/queue-worker.ts';
import type { ThreadData } from '../rotation/thread.ts';
import { parseDuration } from '../rotation/window.ts';
import { type Arguments, type Context, defineCommand, type Outcome } from './command.ts';
import { attachmentsFolder, attachmentsOptions } from './options/attachments.ts';
import { count, databaseOptions } from './options/options.ts';
import { type GivenQueue, givenQueue, queueOptions } from './options/queue.ts';
import { logChunk } from './steps/chunk-log.ts';
import { warn } from './steps/key-sources.ts';
import { type Opened, withDatabase } from './steps/opened.ts';
import { healthOptions, metricsOptions, withServed } from './steps/served.ts';
import { workerKeys } from './steps/worker-keys.ts';

const group = 'How to run it:';
const keys = 'Keys (never needed on the command line):';

const options = {
  queue: {
    ...queueOptions.queue,
    describe: 'take the chunks from there, as the coordinator names it; also KEYTURN_QUEUE',
  },
  ...databaseOptions,
  ...attachmentsOptions,
  'current-key-file': {
    type: 'string',
    requiresArg: true,
    group: keys,
    describe: 'the key that the run turns away from; else KEYTURN_CURRENT_MASTER_KEY',
  },
  'new-key-file': {
    type: 'string',
    requiresArg: true,
    group: keys,
    describe: 'the key that it turns to; else KEYTURN_NEW_MASTER_KEY',
  },
  concurrency: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'chunks at a time, a thread each [default: number of cores]',
  },
  grace: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'when it is asked to stop: how long the chunks in hand may take [default: 30s]',
  },
  'exit-when-done': { type: 'boolean', group, describe: 'end when the run that it works on is over' },
  ...healthOptions,
  ...metricsOptions,
} as const;

type Given = Arguments<typeof options>;
/** Chunks by what became of them here. */
type Tally = Record<ChunkNews['event'], number>;

export const worker = defineCommand({
  words: ['worker'],
  describe: 'take chunks from a queue, on as many machines as you like',
  epilogue: `Waits for a run if there is none, and goes on with the next one. Both keys are checked by their ids before the first chunk; the files need not exist before the run does. The queue carries no key and no value. SQLite takes workers on the coordinator's own host only.

Example:
  keyturn worker --queue redis://queue:6379 --database postgres://n8n@db/n8n \\
    --current-key-file old.key --new-key-file new.key`,
  options,
  async run(context, args) {
    const queue = givenQueue(context, args);
    if (queue === null) {
      throw new KeyturnError('bad-option', 'which queue is not said', {
        hint: 'use --queue URL or set KEYTURN_QUEUE, for example --queue redis://localhost:6379',
      });
    }
    const graceMs = parseDuration(args.grace ?? '30s', '--grace');
    return withDatabase(context, args, (opened) => work(context, opened, queue, graceMs, args));
  },
});

async function work(
  context: Context,
  opened: Opened,
  queue: GivenQueue,
  graceMs: number,
  args: Given,
): Promise<Outcome> {
  const { terminal, log, signal } = context;
  const metrics = new RunMetrics('worker');
  const tally: Tally = { rotated: 0, verified: 0, nothing: 0, retried: 0, failed: 0 };
  const concurrency = count(args.concurrency, '--concurrency') ?? context.cores;
  let worker: QueueWorker | null = null;
  metrics.before(() => {
    metrics.shows(worker?.run ?? null);
    metrics.waits(worker?.waiting() === null ? null : 'queue');
  });
  const run = await withServed(
    context,
    args,
    metrics,
    () => healthOf(worker, tally, signal),
    async () => {
      worker = await QueueWorker.open({
        database: opened.database,
        queue,
        workerEntry: context.workerEntry,
        concurrency,
        graceMs,
        signal,
        exitWhenDone: args.exitWhenDone === true,
        admit: async (run) => admitted(context, opened, run, args),
        news: (news) => {
          tally[news.event]++;
          logChunk(log, news);
          metrics.news(news);
        },
        warn: (text) => warn(context, text),
      });
      terminal.say(
        `worker ${processName()}: ${counted(concurrency, 'chunk')} at a time from ${worker.place}`,
      );
      if (worker.run === null) terminal.say(`waiting for a run in ${opened.database.place}`);
      await worker.work();
      return worker.run;
    },
  );
  const standing = run === null ? { run: null, state: null } : { run: run.id, state: run.state };
  const document = { worker: processName(), ...standing, chunks: tally };
  return { exitCode: 0, document, text: `${told(run, tally)}\n` };
}

/** Keys are read anew for every run: the files may have changed. */
function admitted(context: Context, { database, url, password }: Opened, run: Run, args: Given): ThreadData {
  const { toolVersion, terminal, log } = context;
  const keys = (of: Run) => workerKeys(context, args, of);
  const data = admit(run, {
    databaseUrl: url,
    databasePassword: password,
    attachments: attachmentsFolder(args),
    oneHost: database.traits.oneHost,
    toolVersion,
    keys,
  });
  terminal.say(`run ${run.id}: key ${run.fromKeyId} becomes ${run.toKeyId}`);
  log.info({ run: run.id, from: run.fromKeyId, to: run.toKeyId, worker: processName() }, 'run taken up');
  return data;
}

function healthOf(worker: QueueWorker | null, tally: Tally, signal: AbortSignal): Health {
  const run = worker?.run ?? null;
  return {
    healthy: worker?.stuck !== true && !signal.aborted,
    document: {
      worker: processName(),
      at: new Date().toISOString(),
      run: run?.id ?? null,
      state: run?.state ?? null,
      busy: worker?.busy ?? 0,
      waiting: worker === null ? 'it is starting' : worker.waiting(),
      stopping: signal.aborted,
      ...tally,
    },
  };
}

function told(run: Run | null, { rotated, verified, failed }: Tally): string {
  if (run === null) return 'there was no run';
  const did = `${counted(rotated, 'chunk')} rotated, ${verified} verified, ${failed} failed`;
  return `run ${run.id}, ${run.state}: ${did} by this worker`;
}
