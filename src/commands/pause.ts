import { readHistory, runNamed, unfinishedRun } from '../checkpoint/history.ts';
import { defineCommand } from './command.ts';
import { databaseOptions } from './options/options.ts';
import { withDatabase } from './steps/opened.ts';
import { assertUnderway, patience, steerOptions, steerRun } from './steps/steer-run.ts';

export const pause = defineCommand({
  words: ['pause'],
  describe: 'stop the run after the chunks in flight; keyturn resume goes on',
  epilogue: `From any host: the request is written to the run's row, and its coordinator acts on it between two chunks. Where no coordinator is alive any more, the run is moved to paused right here.

Example:
  keyturn pause --database postgres://n8n@db/n8n`,
  options: { ...databaseOptions, ...steerOptions },
  async run(context, args) {
    const waitMs = patience(args);
    return withDatabase(context, args, async (opened) => {
      const runs = await readHistory(opened.database);
      const run = unfinishedRun(runs) ?? runNamed(runs, undefined);
      assertUnderway(run, 'pause');
      return steerRun(context, opened, run, 'pause', waitMs);
    });
  },
});
