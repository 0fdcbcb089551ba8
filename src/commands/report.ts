import { readHistory, runNamed } from '../checkpoint/history.ts';
import { reportText } from '../report/text.ts';
import { defineCommand } from './command.ts';
import { databaseOptions, groups, reportOptions, runOptions } from './options/options.ts';
import { withDatabase } from './steps/opened.ts';
import { writeRunReport } from './steps/report-files.ts';

export const report = defineCommand({
  words: ['report'],
  describe: 'write the report of a run again, and print it',
  epilogue: `The report is computed from keyturn's tables in the database, so it can be written again until keyturn forget.

Example:
  keyturn report --database sqlite:database.sqlite --format json`,
  options: {
    ...databaseOptions,
    ...runOptions,
    ...reportOptions,
    format: {
      choices: ['text', 'json'],
      requiresArg: true,
      group: groups.output,
      describe: 'format of the report on stdout [default: text]',
    },
  },
  async run(context, args) {
    return withDatabase(context, args, async ({ database }) => {
      const run = runNamed(await readHistory(database), args.run);
      const written = await writeRunReport(context, database.knex, run.id, args.reportDir);
      context.terminal.say(`report: ${written.files.text}`);
      context.terminal.say(`        ${written.files.json}`);
      const text =
        args.format === 'json' ? `${JSON.stringify(written.report, null, 2)}\n` : reportText(written.report);
      return { exitCode: 0, document: { report: written.report, files: written.files }, text };
    });
  },
});
