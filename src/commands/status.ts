import { count, thousands } from '../report/count.ts';
import { buildReport, type Report } from '../report/report.ts';
import { readHistory, runNamed } from '../rotation/history.ts';
import type { Run } from '../rotation/run.ts';
import { defineCommand } from './command.ts';
import { exceptionLine } from './exception-lines.ts';
import { withDatabase } from './opened.ts';
import { databaseOptions, runOptions } from './options.ts';

export const status = defineCommand({
  words: ['status'],
  describe: 'where the run stands',
  epilogue: `Everything comes from the database, so it can be asked from any host, also while a run works.

Example:
  keyturn status --database sqlite:database.sqlite`,
  options: { ...databaseOptions, ...runOptions },
  async run(context, args) {
    return withDatabase(context, args, async ({ database }) => {
      const runs = await readHistory(database.knex);
      if (runs.length === 0 && args.run === undefined) {
        const text = `there is no run in ${database.place}\n`;
        return { exitCode: 0, document: { database: database.place, runs: [], report: null }, text };
      }
      const run = runNamed(runs, args.run);
      const report = await buildReport(database.knex, run.id);
      return {
        exitCode: 0,
        document: { database: database.place, runs: runs.map(summary), report },
        text: `${[...reportLines(report), ...runs.filter(({ id }) => id !== run.id).map(runLine)].join('\n')}\n`,
      };
    });
  },
});

function summary({ id, kind, state, reason, fromKeyId, toKeyId, createdAt, finishedAt }: Run): object {
  return { id, kind, state, reason, fromKeyId, toKeyId, createdAt, finishedAt };
}

function runLine({ id, state, fromKeyId, toKeyId }: Run): string {
  return `earlier:  ${id} ${state}, key ${fromKeyId} to ${toKeyId}`;
}

function reportLines({ run, keys, totals, targets, exceptions, times, proof }: Report): string[] {
  const names = Math.max(...targets.map(({ target }) => target.length));
  const { tally } = totals.ranges;
  return [
    `run:      ${run.id}, ${run.state}${run.reason === null ? '' : ` (${run.reason.code}: ${run.reason.text})`}`,
    `keys:     ${keys.from.id} to ${keys.to.id}`,
    `time:     ${times.created}${times.finished === null ? '' : ` to ${times.finished}`}`,
    `values:   ${thousands(tally.rotated)} rotated, ${thousands(tally.current)} already current, ${thousands(tally.empty)} empty, ${thousands(tally.lookAlikes)} look-alikes, ${thousands(totals.exceptions)} exceptions`,
    `scans:    ${count(proof.scans, 'verification scan')}, ${count(proof.sweeps, 'sweep')}`,
    ...targets.map(
      ({ target, ranges, rowsAtStart, verification }) =>
        `  ${target.padEnd(names)}  ${thousands(ranges.tally.rows)} of ${rowsAtStart === null ? '?' : thousands(rowsAtStart)} rows rotated, ${thousands(verification.rowsSoFar)} verified`,
    ),
    ...exceptions.listed.slice(0, 20).map((exception) => `exception: ${exceptionLine(exception)}`),
  ];
}
