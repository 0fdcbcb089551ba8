import type { Hooks } from '../../hooks/hooks.ts';
import { chunkBytesWithin } from '../../rotation/memory.ts';
import type { Pace } from '../../rotation/pace/pace.ts';
import type { Progress } from '../../rotation/progress.ts';
import type { Site } from '../../rotation/site.ts';
import { bytesOf } from '../../rotation/size.ts';
import type { Context } from '../command.ts';
import { type AttachmentsArguments, attachmentsFolder } from '../options/attachments.ts';
import { count } from '../options/options.ts';
import type { GivenQueue } from '../options/queue.ts';
import { logChunk } from './chunk-log.ts';
import { warn } from './key-sources.ts';
import type { Opened } from './opened.ts';
import { metricsFor, type ServedArguments, withServed } from './served.ts';

export interface SiteArguments extends ServedArguments, AttachmentsArguments {
  readonly workers?: string | undefined;
  readonly memory?: string | undefined;
  readonly pace?: Pace;
  readonly hooks?: Hooks;
  /** Null or absent: worker threads of this process. */
  readonly sharedQueue?: GivenQueue | null;
}

/** Shows progress and serves metrics for the duration of `work`. */
export async function withSite<T>(
  context: Context,
  opened: Opened,
  args: SiteArguments,
  work: (site: Site) => Promise<T>,
): Promise<T> {
  const view = await context.terminal.progress();
  const metrics = await metricsFor(args, 'coordinator');
  const { log } = context;
  const onException = exceptionHook(args.hooks);
  try {
    return await withServed(context, args, metrics, null, () =>
      work({
        ...siteOf(context, opened, args),
        progress: (progress) => {
          view.update(progress);
          metrics?.progress(progress);
          logProgress(context, progress);
          onException(progress);
        },
        news: (news) => {
          logChunk(log, news);
          metrics?.news(news);
        },
      }),
    );
  } finally {
    view.close();
    await args.hooks?.settled();
  }
}

/** A site without progress display. */
export function siteOf(context: Context, opened: Opened, args: SiteArguments): Site {
  const { sharedQueue = null } = args;
  const workers = count(args.workers, '--workers') ?? (sharedQueue === null ? context.cores : 0);
  const memory = args.memory === undefined ? null : bytesOf(args.memory, '--memory');
  return {
    database: opened.database,
    databaseUrl: opened.url,
    databasePassword: opened.password,
    attachments: attachmentsFolder(args),
    workers,
    chunkBytes: chunkBytesWithin(memory, workers),
    workerEntry: context.workerEntry,
    signal: context.signal,
    inFlight: context.inFlight,
    progress: () => undefined,
    warn: (text) => warn(context, text),
    toolVersion: context.toolVersion,
    ...(args.pace !== undefined && { pace: args.pace }),
    ...(sharedQueue !== null && { queue: sharedQueue }),
  };
}

/** Fires the hook at the first exception that this session sees. */
function exceptionHook(hooks: Hooks | undefined): (progress: Progress) => void {
  let fired = false;
  return ({ run, exceptions }) => {
    if (fired || exceptions === 0) return;
    fired = true;
    void hooks?.fire('exception', { run: run.id, state: run.state, exceptions });
  };
}

function logProgress({ log }: Context, { run, totals }: Progress): void {
  const rows = [...totals.values()].reduce((sum, { ranges }) => sum + (ranges?.tally.rows ?? 0), 0);
  log.info({ run: run.id, state: run.state, round: run.round, rows }, 'progress');
}
