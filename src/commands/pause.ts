import { readHistory, runNamed, unfinishedRun } from '../checkpoint/history.ts';
import { defineCommand } from './command.ts';
import { databaseOptions } from './options/options.ts';
import { withDatabase } from './steps/opened.ts';
import { assertSteerable, patience, steerOptions, steerRun } from './steps/steer-run.ts';

export const pause = defineCommand({
  words: ['pause'],
  describe: 'pause the run after the chunks in flight; keyturn resume continues it',
  epilogue: `Works from any host: the request is stored with the run, and the coordinator acts on it between two chunks. If no coordinator is running, this command pauses the run itself.

Example:
  keyturn pause --database postgres://n8n@db/n8n`,
  options: { ...databaseOptions, ...steerOptions },
  async run(context, args) {
    const waitMs = patience(args);
    return withDatabase(context, args, async (opened) => {
      const runs = await readHistory(opened.database);
      const run = unfinishedRun(runs) ?? runNamed(runs, undefined);
      assertSteerable(run, 'pause');
      return steerRun(context, opened, run, 'pause', waitMs);
    });
  },
});
