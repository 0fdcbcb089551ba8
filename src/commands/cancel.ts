import { readHistory, runNamed, unfinishedRun } from '../checkpoint/history.ts';
import { defineCommand } from './command.ts';
import { databaseOptions, groups } from './options/options.ts';
import { askConsent, assertConsent } from './steps/consent.ts';
import { withDatabase } from './steps/opened.ts';
import { assertSteerable, patience, steerOptions, steerRun } from './steps/steer-run.ts';

const meaning =
  'some values use the old key and some the new one; a cancelled run can only be resumed or rolled back';

export const cancel = defineCommand({
  words: ['cancel'],
  describe: 'abandon the run after the chunks in flight',
  epilogue: `After this, ${meaning}. To continue later, use keyturn pause instead.

Example:
  keyturn cancel --database postgres://n8n@db/n8n --yes`,
  options: {
    ...databaseOptions,
    ...steerOptions,
    yes: { type: 'boolean', group: groups.consent, describe: 'abandon the run' },
  },
  async run(context, args) {
    const waitMs = patience(args);
    assertConsent(context, [{ flag: '--yes', given: args.yes }]);
    return withDatabase(context, args, async (opened) => {
      const runs = await readHistory(opened.database);
      const run = unfinishedRun(runs) ?? runNamed(runs, undefined);
      assertSteerable(run, 'cancel');
      context.terminal.say(`cancelling run ${run.id} (${run.state}): ${meaning}`);
      const question = `Cancel run ${run.id}?`;
      await askConsent(context, [{ flag: '--yes', given: args.yes, question }]);
      return steerRun(context, opened, run, 'cancel', waitMs);
    });
  },
});
