import type { Authority } from '../../checkpoint/run.ts';
import type { RunLock } from '../../databases/database.ts';
import { preflight } from '../../inventory/preflight.ts';
import { assertDeclared } from '../../inventory/undeclared.ts';
import { assertWide } from '../../inventory/widths.ts';
import { Key } from '../../keys/key.ts';
import type { NewKeyPlan } from '../../keys/master-key.ts';
import { beginRun } from '../../rotation/begin-run.ts';
import type { NewDataKey } from '../../rotation/data-keys.ts';
import { finishRun } from '../../rotation/finish-run.ts';
import { unlessStopped } from '../../rotation/unless-stopped.ts';
import type { CommandResult, Context } from '../command.ts';
import { newRunOptions } from '../options/run.ts';
import { concludeRun } from './conclusion.ts';
import type { FoundKeys } from './data-keys.ts';
import { warn } from './key-sources.ts';
import type { Opened } from './opened.ts';
import { previewLines } from './preview.ts';
import { assertReportFolder, type ReportArguments } from './report-files.ts';
import { siteOf, withSite } from './run-site.ts';

interface Given extends ReportArguments {
  readonly workers?: string | undefined;
}

/** A run that leaves all values under one key, and the master key as it is. */
export interface Reencryption {
  readonly found: FoundKeys;
  readonly key: NewKeyPlan;
  /** Null: to the instance key itself, in the legacy format. */
  readonly to: NewDataKey | null;
  readonly afterwards: readonly string[];
  readonly authority: Authority;
  /** Asked when everything is known, and nothing is written yet. */
  readonly confirm: () => Promise<void>;
  /** Writes the rows of the data keys, before the first value changes. */
  readonly prepare: () => Promise<void>;
}

/** Re-encrypts all values, as any rotation does: in chunks, with checkpoints, verified, with a report. */
export async function reencrypt(
  context: Context,
  opened: Opened,
  lock: RunLock,
  { found, key, to, afterwards, authority, confirm, prepare }: Reencryption,
  args: Given,
): Promise<CommandResult> {
  const { database } = opened;
  const { terminal, signal } = context;
  const name = to === null ? 'primary' : `data:${to.id}`;
  const added = to === null ? undefined : { name, key: Key.fromBytes(Buffer.from(to.secret, 'hex')) };
  const declared = { ...found.job, only: name, derived: [], afterwards };
  const ready = await unlessStopped(
    signal,
    preflight(database, found.catalog, declared, {
      current: key.key,
      next: key.key,
      generated: to !== null,
      added,
    }),
  );
  terminal.say(`${ready.job.title} database ${database.place}`);
  for (const line of previewLines(ready.job, ready.inventory)) terminal.say(line);
  for (const warning of ready.warnings) warn(context, warning);
  assertDeclared(ready.inventory.undeclared);
  assertWide(ready.widths, false);
  await confirm();
  await assertReportFolder(context, args);
  await prepare();
  const site = siteOf(context, opened, args);
  const run = await beginRun(site, lock, {
    current: key.key,
    next: key,
    found: ready,
    options: newRunOptions({}),
    authority,
  });
  const conclusion = {
    database,
    newKeyFile: key.path,
    currentKeyFile: key.path,
    report: args,
    repeated: ['--current-key-file', key.path, '--new-key-file', key.path],
  };
  const keys = { current: key.key, next: key.key };
  return concludeRun(context, conclusion, run, () =>
    withSite(context, opened, args, (each) => finishRun(each, lock, run, keys)),
  );
}
