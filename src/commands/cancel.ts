import { readHistory, runNamed, unfinishedRun } from '../checkpoint/history.ts';
import { defineCommand } from './command.ts';
import { databaseOptions } from './options/options.ts';
import { askConsent, assertConsent } from './steps/consent.ts';
import { withDatabase } from './steps/opened.ts';
import { assertUnderway, patience, steerOptions, steerRun } from './steps/steer-run.ts';

const meaning =
  'a part of the values stays under each key; a cancelled run can only be resumed, or undone from the backup';

export const cancel = defineCommand({
  words: ['cancel'],
  describe: 'give the run up after the chunks in flight',
  epilogue: `What it means: ${meaning}. To go on later anyway, keyturn pause is enough.

Example:
  keyturn cancel --database postgres://n8n@db/n8n --yes`,
  options: {
    ...databaseOptions,
    ...steerOptions,
    yes: { type: 'boolean', group: 'Consent (asked for on a terminal):', describe: 'give the run up' },
  },
  async run(context, args) {
    const waitMs = patience(args);
    assertConsent(context, [{ flag: '--yes', given: args.yes }]);
    return withDatabase(context, args, async (opened) => {
      const runs = await readHistory(opened.database);
      const run = unfinishedRun(runs) ?? runNamed(runs, undefined);
      assertUnderway(run, 'cancel');
      context.terminal.say(`cancelling run ${run.id} (${run.state}): ${meaning}`);
      const question = `Cancel run ${run.id}?`;
      await askConsent(context, [{ flag: '--yes', given: args.yes, question }]);
      return steerRun(context, opened, run, 'cancel', waitMs);
    });
  },
});
