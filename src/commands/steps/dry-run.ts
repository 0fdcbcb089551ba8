import { assertNoneUnfinished, readHistory, retiredKeyIds } from '../../checkpoint/history.ts';
import type { Authority, RunOptions } from '../../checkpoint/run.ts';
import { assertWide } from '../../inventory/widths.ts';
import { changesFormat } from '../../job/job.ts';
import type { LoadedJob } from '../../job/load.ts';
import { generateKeys } from '../../keys/key-text.ts';
import { rehearse } from '../../rotation/local-run.ts';
import type { Pace } from '../../rotation/pace/pace.ts';
import { unlessStopped } from '../../rotation/unless-stopped.ts';
import type { CommandResult, Context } from '../command.ts';
import { concludeLocal } from './conclusion.ts';
import type { KeyFileArguments } from './key-files.ts';
import { planNewKey } from './key-sources.ts';
import type { Opened } from './opened.ts';
import { type JobArguments, prepareRun } from './prepared-run.ts';
import type { ReportArguments } from './report-files.ts';
import { withSite } from './run-site.ts';

interface Given extends JobArguments, KeyFileArguments, ReportArguments {
  readonly masterKey?: string | undefined;
  readonly workers?: string | undefined;
  readonly pace?: Pace;
}

/** The whole rotation without a write to the database: the checkpoint is a local file, and a generated key is not saved. */
export async function rotateDry(
  context: Context,
  opened: Opened,
  loaded: LoadedJob,
  order: { readonly options: RunOptions; readonly authority: Authority },
  args: Given,
): Promise<CommandResult> {
  const { database } = opened;
  const runs = await readHistory(database);
  assertNoneUnfinished(runs, 'finish it with keyturn resume; a dry run needs a database that uses one key');
  const named = [args.newKeyFile, args.masterKey, args.newKeyCommand, args.storeKeyCommand].some(
    (each) => each !== undefined,
  );
  const retired = retiredKeyIds(runs);
  const { current, next, found } = await unlessStopped(
    context.signal,
    prepareRun(
      context,
      database,
      loaded,
      runs,
      args,
      async (key, fitted) =>
        named
          ? planNewKey(
              context,
              args,
              { current: key, name: fitted.name, retired, maySame: changesFormat(fitted) },
              fitted,
            )
          : { key: generateKeys(fitted, key), path: '', mustWrite: false, generated: true, warnings: [] },
      ({ path, mustWrite }) => (path === '' || mustWrite ? 'not saved in a dry run' : `in ${path}`),
    ),
  );
  assertWide(found.widths, false);
  const keys = { current, next: next.key };
  const local = await withSite(context, opened, args, (site) => rehearse(site, order, keys, found));
  return concludeLocal(context, local, args);
}
