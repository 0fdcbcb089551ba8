import type { Progress } from '../rotation/coordinator.ts';
import type { Site } from '../rotation/rotation.ts';
import type { Context } from './command.ts';
import type { Opened } from './opened.ts';
import { count } from './options.ts';

/** Shows progress for the time of `work`. */
export async function withSite<T>(
  context: Context,
  opened: Opened,
  args: { readonly workers?: string | undefined },
  work: (site: Site) => Promise<T>,
): Promise<T> {
  const view = context.terminal.progress();
  try {
    return await work({
      database: opened.database,
      databaseUrl: opened.url,
      databasePassword: opened.password,
      workers: count(args.workers, '--workers') ?? context.cores,
      workerEntry: context.workerEntry,
      signal: context.signal,
      progress: (progress) => {
        view.update(progress);
        logProgress(context, progress);
      },
      toolVersion: context.toolVersion,
    });
  } finally {
    view.close();
  }
}

function logProgress({ log }: Context, { run, totals }: Progress): void {
  const rows = [...totals.values()].reduce((sum, { ranges }) => sum + (ranges?.tally.rows ?? 0), 0);
  log.info({ run: run.id, state: run.state, round: run.round, rows }, 'progress');
}
