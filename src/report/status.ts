import { count, thousands } from './count.ts';
import { labelled, table, wrap } from './layout.ts';
import { isRotated, percentOf, type Standing } from './standing.ts';
import { moment, span } from './time.ts';

const barWidth = 10;

/** Where a run stands, in a few lines. */
export function statusText(standing: Standing): string {
  const { run, keys, times, proof, exceptions, database, verdict } = standing.report;
  const which = run.kind === 'verification' ? `key ${keys.to.id}` : `key ${keys.from.id} to ${keys.to.id}`;
  const lines = [
    ...wrap(verdict.text),
    ...labelled('Run', `${run.id} (${run.kind}), ${which}`),
    ...labelled('State', run.reason === null ? run.state : `${run.state} (${run.reason.code})`),
    ...labelled('Database', database),
    ...labelled('Started', `${moment(times.created)} UTC`),
    ...(times.finished === null ? [] : labelled('Ended', `${moment(times.finished)} UTC`)),
    ...workLines(standing),
    ...labelled(
      'Verification',
      proof.scans === 0 ? 'not begun' : `${count(proof.scans, 'scan')}, ${count(proof.sweeps, 'sweep')}`,
    ),
    ...labelled('Chunks', chunksText(standing)),
    ...labelled('Exceptions', thousands(exceptions.count)),
    ...workerLines(standing),
    '',
    ...progressTable(standing),
  ];
  return `${lines.join('\n')}\n`;
}

/** One line for a log, always with the same keys in the same order. */
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

/** What goes on right now; nothing of a run that is finished. */
function workLines({
  report,
  coordinated,
  waiting,
  requested,
  stage,
  rowsPerSecond,
  secondsLeft,
}: Standing): string[] {
  if (report.times.finished !== null) return [];
  const speed =
    rowsPerSecond === null || secondsLeft === null
      ? null
      : `${thousands(rowsPerSecond)} rows/s, ${span(secondsLeft)} until all is ${stage}`;
  return [
    ...labelled('Coordinator', coordinatorText(coordinated, report.run.state)),
    ...(waiting === null ? [] : labelled('Waiting', waiting)),
    ...(requested === null || coordinated === false
      ? []
      : labelled('Asked to', `${requested}, after the chunks in flight`)),
    ...(speed === null ? [] : labelled('Speed', speed)),
  ];
}

function coordinatorText(coordinated: boolean | null, state: string): string {
  if (coordinated === null) return 'unknown: this login cannot try the run lock';
  if (coordinated) return 'at work';
  const died = ['planned', 'rotating', 'rotated', 'verifying'].includes(state);
  return died ? 'none: it died; go on with keyturn resume' : 'none; go on with keyturn resume';
}

function coordinatorWord(coordinated: boolean | null): string {
  return coordinated === null ? 'unknown' : coordinated ? 'alive' : 'none';
}

function chunksText({ report, chunks: { open, retried, split, failed } }: Standing): string {
  const { ranges, sweeps } = report.totals;
  const done = ranges.chunks + sweeps.chunks - open - failed;
  return `${thousands(done)} done, ${thousands(open)} open, ${thousands(retried)} retried, ${thousands(split)} split, ${thousands(failed)} failed`;
}

function workerLines({ workers }: Standing): string[] {
  return workers.flatMap(({ worker, chunks, lastAt }, i) =>
    labelled(
      i === 0 ? 'Workers' : '',
      `${worker}: ${count(chunks, 'chunk')}, the last at ${moment(lastAt)} UTC`,
    ),
  );
}

function progressTable({ report, stage, targets, percent }: Standing): string[] {
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

/** Fills with `=` while it is rotated, and with `#` while it is verified. */
function barOf(percent: number, stage: Standing['stage']): string {
  const full = Math.floor((percent * barWidth) / 100);
  const [filled, empty] = stage === 'verified' ? ['#', '='] : ['=', '.'];
  return filled.repeat(full) + empty.repeat(barWidth - full);
}
