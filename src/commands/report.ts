import { reportText } from '../report/text.ts';
import { readHistory, runNamed } from '../rotation/history.ts';
import { defineCommand } from './command.ts';
import { withDatabase } from './opened.ts';
import { databaseOptions, reportOptions, runOptions } from './options.ts';
import { writeRunReport } from './report-files.ts';

export const report = defineCommand({
  words: ['report'],
  describe: 'write the rotation report again, and print it',
  epilogue: `It is computed from keyturn's tables in the database, so it can be written again until keyturn forget.

Example:
  keyturn report --database sqlite:database.sqlite --format json`,
  options: {
    ...databaseOptions,
    ...runOptions,
    ...reportOptions,
    format: {
      choices: ['text', 'json'],
      requiresArg: true,
      group: 'Output:',
      describe: 'what to print on stdout [default: text]',
    },
  },
  async run(context, args) {
    return withDatabase(context, args, async ({ database }) => {
      const run = runNamed(await readHistory(database.knex), args.run);
      const written = await writeRunReport(context, database.knex, run.id, args.reportDir);
      context.terminal.say(`report: ${written.files.text}`);
      context.terminal.say(`        ${written.files.json}`);
      const text =
        args.format === 'json' ? `${JSON.stringify(written.report, null, 2)}\n` : reportText(written.report);
      return { exitCode: 0, document: { report: written.report, files: written.files }, text };
    });
  },
});
