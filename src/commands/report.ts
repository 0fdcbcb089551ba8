import { resolve } from 'node:path';
import { readHistory, runNamed } from '../checkpoint/history.ts';
import { KeyturnError } from '../error.ts';
import { type CheckedReport, checkReport } from '../report/check-report.ts';
import { reportText } from '../report/text.ts';
import { type CommandResult, type Context, defineCommand } from './command.ts';
import { databaseOptions, groups, reportOptions, runOptions } from './options/options.ts';
import { withDatabase } from './steps/opened.ts';
import { writeRunReport } from './steps/report-files.ts';
import { publicKeyOf } from './steps/signing-key.ts';

export const report = defineCommand({
  words: ['report'],
  describe: 'write the report of a run again, and print it; or check the files of a report',
  epilogue: `The report is computed from keyturn's tables in the database, so it can be written again until keyturn forget.

--check needs no database. It compares the files of a report with report.sig. Without --verify-key it cannot tell who
made the report: anybody who can change all four files can make a new report.sig.

Examples:
  keyturn report --database sqlite:database.sqlite --format json
  keyturn report --check keyturn-reports/20260105-030405-abcdef --verify-key auditor/verify.pem`,
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
    check: {
      type: 'string',
      requiresArg: true,
      group: groups.input,
      describe: 'folder of a report, or one of its files: check that nothing was changed, and write nothing',
    },
    'verify-key': {
      type: 'string',
      requiresArg: true,
      group: groups.input,
      describe: 'with --check: file with the Ed25519 public key (PEM) of the signer',
    },
  },
  async run(context, args) {
    if (args.check !== undefined) return check(context, args.check, args.verifyKey);
    if (args.verifyKey !== undefined)
      throw new KeyturnError('bad-option', '--verify-key is only for --check', {
        hint: 'add --check with the folder of the report',
      });
    return withDatabase(context, args, async ({ database }) => {
      const run = runNamed(await readHistory(database), args.run);
      const written = await writeRunReport(context, database.knex, run.id, args);
      context.terminal.say(`report: ${written.files.text}`);
      context.terminal.say(`        ${written.files.html}`);
      context.terminal.say(`        ${written.files.json}`);
      const text =
        args.format === 'json' ? `${JSON.stringify(written.report, null, 2)}\n` : reportText(written.report);
      return { exitCode: 0, document: { report: written.report, files: written.files }, text };
    });
  },
});

async function check(
  { folder }: Context,
  path: string,
  verifyKey: string | undefined,
): Promise<CommandResult> {
  const key = verifyKey === undefined ? null : publicKeyOf(resolve(folder, verifyKey));
  const checked = await checkReport(resolve(folder, path), key);
  const { run, files, signature } = checked;
  const by: Readonly<Record<CheckedReport['signature'], string>> = {
    signed: `signed by ${verifyKey ?? ''}`,
    unchecked: 'signer not checked (--verify-key)',
    unsigned: 'not signed: somebody who can change all files can make a new report.sig',
  };
  return {
    exitCode: 0,
    document: checked,
    text: `intact: ${files.join(', ')} of run ${run}; ${by[signature]}\n`,
  };
}
