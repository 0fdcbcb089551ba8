import { setTimeout as sleep } from 'node:timers/promises';
import { readHistory, runNamed } from '../checkpoint/history.ts';
import { isFinished, type Run } from '../checkpoint/run.ts';
import type { Database } from '../databases/database.ts';
import { readStanding, type Standing } from '../report/standing.ts';
import { statusLine, statusText } from '../report/status.ts';
import { parseDuration } from '../rotation/pace/window.ts';
import { isCoordinated } from '../rotation/steering.ts';
import { type Arguments, type CommandResult, type Context, defineCommand } from './command.ts';
import { databaseOptions, groups, runOptions } from './options/options.ts';
import { exceptionLine } from './steps/exception-lines.ts';
import { withDatabase } from './steps/opened.ts';

const shownExceptions = 20;

const options = {
  ...databaseOptions,
  ...runOptions,
  watch: {
    type: 'boolean',
    group: groups.output,
    describe: 'repeat until the run stops; with --json, print one line of JSON each time',
  },
  interval: {
    type: 'string',
    requiresArg: true,
    group: groups.output,
    describe: 'with --watch: time between two updates [default: 2s]',
  },
} as const;

type Given = Arguments<typeof options> & { readonly json?: boolean };

export const status = defineCommand({
  words: ['status'],
  describe: 'show the progress of a run',
  epilogue: `status reads only the database, so it works from any host, also while the run is active.

Example:
  keyturn status --database sqlite:database.sqlite --watch`,
  options,
  async run(context, args) {
    const everyMs = parseDuration(args.interval ?? '2s', '--interval');
    return withDatabase(context, args, ({ database }) =>
      args.watch === true
        ? watch(context, database, args, everyMs)
        : readStatus(database, args).then((status) => ({ exitCode: 0, ...status })),
    );
  },
});

/** The status at one moment; `standing` is null for a database without any run. */
interface Status {
  readonly standing: Standing | null;
  readonly document: object;
  readonly text: string;
}

async function readStatus(
  database: Database,
  { run: named }: { readonly run?: string | undefined },
): Promise<Status> {
  const runs = await readHistory(database);
  const { place } = database;
  if (runs.length === 0 && named === undefined) {
    const document = { database: place, runs: [], report: null };
    return { standing: null, document, text: `there is no run in ${place}\n` };
  }
  const run = runNamed(runs, named);
  const locked = isFinished(run.state) ? false : await isCoordinated(database);
  const standing = await readStanding(database.knex, run.id, locked);
  const { report, ...rest } = standing;
  const { listed } = report.exceptions;
  const lines = [
    ...listed.slice(0, shownExceptions).map((exception) => `exception: ${exceptionLine(exception)}`),
    ...runs.filter(({ id }) => id !== run.id).map(runLine),
  ];
  return {
    standing,
    document: { database: place, runs: runs.map(summary), report, standing: rest },
    text: [statusText(standing), ...lines.map((line) => `${line}\n`)].join(''),
  };
}

/** Prints the status until nobody works on the run. The last one is the result. */
async function watch(
  context: Context,
  database: Database,
  args: Given,
  everyMs: number,
): Promise<CommandResult> {
  const { terminal, signal } = context;
  for (;;) {
    const { standing, document, text } = await readStatus(database, args);
    const over = standing === null || hasEnded(standing) || signal.aborted;
    if (args.json === true) terminal.out(`${JSON.stringify(document)}\n`);
    else if (terminal.drawing || standing === null) terminal.redraw(text);
    else terminal.print(`${statusLine(standing, new Date())}\n`);
    if (over) return { exitCode: 0, document: null, text: '' };
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

function hasEnded({ report: { run } }: Standing): boolean {
  return isFinished(run.state) || ['paused', 'cancelled', 'failed'].includes(run.state);
}

function summary({ id, kind, state, reason, fromKeyId, toKeyId, createdAt, finishedAt }: Run): object {
  return { id, kind, state, reason, fromKeyId, toKeyId, createdAt, finishedAt };
}

function runLine({ id, state, fromKeyId, toKeyId }: Run): string {
  return `earlier:  ${id} ${state}, key ${fromKeyId} to ${toKeyId}`;
}
