import type { Run } from '../checkpoint/run.ts';
import type { ChunkNews } from '../chunk/chunk-news.ts';
import { KeyturnError } from '../error.ts';
import type { Health } from '../metrics/health.ts';
import { count as counted } from '../report/count.ts';
import { parseDuration } from '../rotation/pace/window.ts';
import { processName } from '../rotation/process-name.ts';
import { admit } from '../rotation/workers/admission.ts';
import { QueueWorker } from '../rotation/workers/queue-worker.ts';
import type { ThreadData } from '../rotation/workers/thread.ts';
import { type Arguments, type CommandResult, type Context, defineCommand } from './command.ts';
import { attachmentsFolder, attachmentsOptions } from './options/attachments.ts';
import { count, databaseOptions, groups } from './options/options.ts';
import { type GivenQueue, givenQueue, queueOptions } from './options/queue.ts';
import { logChunk } from './steps/chunk-log.ts';
import { warn } from './steps/key-sources.ts';
import { type Opened, withDatabase } from './steps/opened.ts';
import { healthOptions, metricsFor, metricsOptions, withServed } from './steps/served.ts';
import { workerKeys } from './steps/worker-keys.ts';

const group = groups.execution;

const options = {
  queue: {
    ...queueOptions.queue,
    describe: 'the queue of the coordinator [env: KEYTURN_QUEUE]',
  },
  ...databaseOptions,
  ...attachmentsOptions,
  'current-key-file': {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.keys,
    describe:
      'file of the old key of the run; NAME=FILE for a further key of the job [env: KEYTURN_CURRENT_MASTER_KEY]',
  },
  'new-key-file': {
    type: 'string',
    array: true,
    requiresArg: true,
    group: groups.keys,
    describe:
      'file of the new key of the run; NAME=FILE for a further key of the job [env: KEYTURN_NEW_MASTER_KEY]',
  },
  'current-key-command': {
    type: 'string',
    requiresArg: true,
    group: groups.keys,
    describe: 'command that prints the old key of the run; it runs in a shell',
  },
  'new-key-command': {
    type: 'string',
    requiresArg: true,
    group: groups.keys,
    describe: 'command that prints the new key of the run',
  },
  concurrency: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'number of chunks at the same time, each in its own thread [default: number of cores]',
  },
  grace: {
    type: 'string',
    requiresArg: true,
    group,
    describe: 'when the worker is asked to stop: time for the chunks in flight to finish [default: 30s]',
  },
  'exit-when-done': { type: 'boolean', group, describe: 'exit when the run is finished' },
  ...healthOptions,
  ...metricsOptions,
} as const;

type Given = Arguments<typeof options>;
/** Number of chunks of this worker by their event. */
type Tally = Record<ChunkNews['event'], number>;

export const worker = defineCommand({
  words: ['worker'],
  describe: 'process chunks from a queue, on any number of machines',
  epilogue: `A worker waits if there is no run, and continues with the next run after one ends. It checks both keys by their key ids before the first chunk; the key files need not exist before the run does. The queue carries no keys and no values. With SQLite, workers must run on the host of the coordinator.

Example:
  keyturn worker --queue redis://queue:6379 --database postgres://n8n@db/n8n \\
    --current-key-file old.key --new-key-file new.key`,
  options,
  piped: ['new-key-file'],
  async run(context, args) {
    const queue = givenQueue(context, args);
    if (queue === null) {
      throw new KeyturnError('bad-option', 'no queue given', {
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
): Promise<CommandResult> {
  const { terminal, log, signal } = context;
  const metrics = await metricsFor(args, 'worker');
  const tally: Tally = { rotated: 0, verified: 0, nothing: 0, retried: 0, failed: 0 };
  const concurrency = count(args.concurrency, '--concurrency') ?? context.cores;
  let worker: QueueWorker | null = null;
  metrics?.before(() => {
    metrics?.shows(worker?.run ?? null);
    metrics?.waits(worker?.waiting() === null ? null : 'queue');
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
        inFlight: context.inFlight,
        exitWhenDone: args.exitWhenDone === true,
        admit: async (run) => admitted(context, opened, run, args),
        news: (news) => {
          tally[news.event]++;
          logChunk(log, news);
          metrics?.news(news);
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
  return { exitCode: 0, document, text: `${summary(run, tally)}\n` };
}

/** Reads the keys again for every run: the files may have changed. */
async function admitted(
  context: Context,
  { database, url, password }: Opened,
  run: Run,
  args: Given,
): Promise<ThreadData> {
  const { toolVersion, terminal, log } = context;
  const keys = (of: Run) => workerKeys(context, args, of);
  const data = await admit(run, {
    databaseUrl: url,
    databasePassword: password,
    attachments: attachmentsFolder(args),
    oneHost: database.traits.oneHost,
    toolVersion,
    keys,
  });
  terminal.say(`run ${run.id} rotates from key ${run.fromKeyId} to key ${run.toKeyId}`);
  log.info({ run: run.id, from: run.fromKeyId, to: run.toKeyId, worker: processName() }, 'run joined');
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
      waiting: worker === null ? 'starting' : worker.waiting(),
      stopping: signal.aborted,
      ...tally,
    },
  };
}

function summary(run: Run | null, { rotated, verified, failed }: Tally): string {
  if (run === null) return 'there was no run';
  const chunks = `${counted(rotated, 'chunk')} rotated, ${verified} verified, ${failed} failed`;
  return `run ${run.id}, ${run.state}: ${chunks} by this worker`;
}
