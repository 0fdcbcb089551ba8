import { ExceptionTable, type RecordedException } from '../checkpoint/exception-table.ts';
import { readHistory, runNamed } from '../checkpoint/history.ts';
import { count } from '../report/count.ts';
import { defineCommand } from './command.ts';
import { databaseOptions, runOptions } from './options/options.ts';
import { exceptionLine } from './steps/exception-lines.ts';
import { withDatabase } from './steps/opened.ts';

const page = 500;

export const exceptionsList = defineCommand({
  words: ['exceptions list'],
  describe: 'list the values that could not be rotated, and why',
  epilogue: `Example:
  keyturn exceptions list --database sqlite:database.sqlite`,
  options: { ...databaseOptions, ...runOptions },
  async run(context, args) {
    return withDatabase(context, args, async ({ database }) => {
      const run = runNamed(await readHistory(database), args.run);
      const table = new ExceptionTable(database.knex, run.id);
      const all: RecordedException[] = [];
      let listed = 0;
      for (;;) {
        const found = await table.open(page, listed);
        listed += found.length;
        if (args.json === true) all.push(...found);
        else
          for (const { target, ...rest } of found)
            context.terminal.print(`${exceptionLine({ table: target, ...rest })}\n`);
        if (found.length < page) break;
      }
      const exceptions = all.map(({ target, rowId, field, path, reason, at }) => ({
        table: target,
        rowId,
        field,
        path,
        reason,
        at,
      }));
      context.terminal.say(`run ${run.id}: ${count(listed, 'exception')}`);
      return { exitCode: 0, document: { run: run.id, exceptions }, text: '' };
    });
  },
});
