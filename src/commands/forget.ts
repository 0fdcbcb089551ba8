import { readHistory, unfinishedRun } from '../checkpoint/history.ts';
import type { Run } from '../checkpoint/run.ts';
import { RunTable } from '../checkpoint/run-table.ts';
import { dropCheckpointTables } from '../checkpoint/schema.ts';
import { KeyturnError } from '../error.ts';
import { count } from '../report/count.ts';
import { defineCommand } from './command.ts';
import { databaseOptions, groups } from './options/options.ts';
import { askConsent, assertConsent } from './steps/consent.ts';
import { withDatabase, withRunLock } from './steps/opened.ts';

const lost =
  'the digests that later verifications compare with, the wrapped source keys (without them, nothing can be rolled back), the lists of exceptions, and the history (including which keys are retired)';

export const forget = defineCommand({
  words: ['forget'],
  describe: "drop keyturn's tables of finished runs after their reports are written",
  epilogue: `This deletes ${lost}.

Example:
  keyturn forget --database sqlite:database.sqlite --yes`,
  options: {
    ...databaseOptions,
    yes: { type: 'boolean', group: groups.consent, describe: "drop keyturn's tables" },
  },
  async run(context, args) {
    assertConsent(context, [{ flag: '--yes', given: args.yes }]);
    return withDatabase(context, args, ({ database }) =>
      withRunLock(database, async () => {
        const runs = await readHistory(database);
        if (runs.length === 0) {
          return { exitCode: 0, document: { forgotten: [] }, text: `there is no run in ${database.place}\n` };
        }
        await assertForgettable(runs, new RunTable(database.knex));
        context.terminal.say(`this deletes ${lost}`);
        const question = `Drop keyturn's tables with ${count(runs.length, 'run')}?`;
        await askConsent(context, [{ flag: '--yes', given: args.yes, question }]);
        await dropCheckpointTables(database.knex);
        const forgotten = runs.map(({ id }) => id);
        return { exitCode: 0, document: { forgotten }, text: `forgotten: ${forgotten.join(', ')}\n` };
      }),
    );
  },
});

async function assertForgettable(runs: readonly Run[], table: RunTable): Promise<void> {
  const unfinished = unfinishedRun(runs);
  if (unfinished !== undefined) {
    throw new KeyturnError(
      'run-unfinished',
      `run ${unfinished.id} is unfinished (${unfinished.state}): it needs its tables to continue`,
      {
        hint: 'finish it with keyturn resume',
        facts: { run: unfinished.id },
      },
    );
  }
  for (const { id } of runs) {
    if ((await table.events(id)).some(({ event }) => event === 'reported')) continue;
    throw new KeyturnError('run-state', `run ${id} has no written report yet`, {
      hint: `write it first with keyturn report --run ${id}`,
      facts: { run: id },
    });
  }
}
