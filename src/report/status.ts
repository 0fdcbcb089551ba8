import { count, thousands } from './count.ts';
import { type Block, gap, labelled, linesOf, paragraph, table } from './layout.ts';
import { onlyText } from './only-key.ts';
import { isRotated, percentOf, type Standing } from './standing.ts';
import { moment, span } from './time.ts';

const barWidth = 10;

/** The status of a run in a few lines. */
export function statusText(standing: Standing): string {
  const { run, keys, times, proof, exceptions, database, verdict } = standing.report;
  const which =
    keys.only !== null
      ? `to ${onlyText(keys.only)}`
      : run.kind === 'verification'
        ? `key ${keys.to.id}`
        : `key ${keys.from.id} to ${keys.to.id}`;
  const blocks = [
    ...paragraph(verdict.text),
    ...labelled('Run', `${run.id} (${run.kind}), ${which}`),
    ...labelled('State', run.reason === null ? run.state : `${run.state} (${run.reason.code})`),
    ...labelled('Database', database),
    ...labelled('Started', `${moment(times.created)} UTC`),
    ...(times.finished === null ? [] : labelled('Ended', `${moment(times.finished)} UTC`)),
    ...workBlocks(standing),
    ...labelled(
      'Verification',
      proof.scans === 0 ? 'not started' : `${count(proof.scans, 'scan')}, ${count(proof.sweeps, 'sweep')}`,
    ),
    ...labelled('Chunks', chunksText(standing)),
    ...labelled('Exceptions', thousands(exceptions.count)),
    ...workerBlocks(standing),
    gap,
    ...progressTable(standing),
  ];
  return `${linesOf(blocks).join('\n')}\n`;
}

/** The status as one line for a log, always with the same keys in the same order. */
export function statusLine(standing: Standing, at: Date): string {
  const { report, targets, percent, rowsPerSecond, secondsLeft, coordinated, requested, waiting } = standing;
  const done = targets.reduce((sum, target) => sum + target.done, 0);
  const total = targets.reduce((sum, target) => sum + target.total, 0);
  return [
    `at=${at.toISOString()} run=${report.run.id} state=${report.run.state} ${standing.stage}=${done} total=${total}`,
    `percent=${percent} rows_per_s=${rowsPerSecond ?? '-'} seconds_left=${secondsLeft ?? '-'}`,
    `exceptions=${report.exceptions.count} workers=${standing.workers.length} coordinator=${coordinatorWord(coordinated)}`,
    `requested=${requested ?? '-'} waiting=${waiting === null ? '-' : JSON.stringify(waiting)}`,
  ].join(' ');
}

/** The current work; no lines for a finished run. */
function workBlocks({
  report,
  coordinated,
  waiting,
  requested,
  stage,
  rowsPerSecond,
  secondsLeft,
}: Standing): Block[] {
  if (report.times.finished !== null) return [];
  const speed =
    rowsPerSecond === null || secondsLeft === null
      ? null
      : `${thousands(rowsPerSecond)} rows/s, ${span(secondsLeft)} until everything is ${stage}`;
  return [
    ...labelled('Coordinator', coordinatorText(coordinated, report.run.state)),
    ...(waiting === null ? [] : labelled('Waiting', waiting)),
    ...(requested === null || coordinated === false
      ? []
      : labelled('Requested', `${requested}, after the chunks in flight`)),
    ...(speed === null ? [] : labelled('Speed', speed)),
  ];
}

function coordinatorText(coordinated: boolean | null, state: string): string {
  if (coordinated === null) return 'unknown: this database user cannot check the run lock';
  if (coordinated) return 'running';
  const died = ['planned', 'rotating', 'rotated', 'verifying'].includes(state);
  return died ? 'process died; continue with keyturn resume' : 'none; continue with keyturn resume';
}

function coordinatorWord(coordinated: boolean | null): string {
  return coordinated === null ? 'unknown' : coordinated ? 'alive' : 'none';
}

function chunksText({ report, chunks: { open, retried, split, failed } }: Standing): string {
  const { ranges, sweeps } = report.totals;
  const done = ranges.chunks + sweeps.chunks - open - failed;
  return `${thousands(done)} done, ${thousands(open)} open, ${thousands(retried)} retried, ${thousands(split)} split, ${thousands(failed)} failed`;
}

function workerBlocks({ workers }: Standing): Block[] {
  return workers.flatMap(({ worker, chunks, lastAt }, i) =>
    labelled(i === 0 ? 'Workers' : '', `${worker}: ${count(chunks, 'chunk')}, last at ${moment(lastAt)} UTC`),
  );
}

function progressTable({ report, stage, targets, percent }: Standing): Block[] {
  const { run, proof, totals } = report;
  const heads = ['target', 'rows', 'rotated', '', 'verified', '', 'except', ''];
  const rows = [
    ...report.targets.map((figures, i) => ({ ...figures, bar: targets[i]?.percent ?? 0 })),
    { target: 'all targets', ...totals, bar: percent },
  ];
  return table(
    heads,
    rows.map(({ target, rowsAtStart, ranges, plannedOut, verification, exceptions, bar }) => {
      const total = rowsAtStart ?? ranges.tally.rows;
      const rotated = run.kind === 'verification' ? null : ranges.tally.rows;
      const verified = proof.scans === 0 ? null : verification.rowsSoFar;
      return [
        target,
        thousands(total),
        ...share(rotated, total, isRotated({ ranges, plannedOut })),
        ...share(verified, total, verification.complete),
        thousands(exceptions),
        barOf(bar, stage),
      ];
    }),
  );
}

function share(done: number | null, total: number, complete: boolean): [string, string] {
  if (done === null) return ['-', ''];
  return [thousands(done), `${percentOf(done, total, complete)}%`];
}

/** Filled with `=` during the rotation and with `#` during the verification. */
function barOf(percent: number, stage: Standing['stage']): string {
  const full = Math.floor((percent * barWidth) / 100);
  const [filled, empty] = stage === 'verified' ? ['#', '='] : ['=', '.'];
  return filled.repeat(full) + empty.repeat(barWidth - full);
}
